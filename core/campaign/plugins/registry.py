"""The plugins of one plan: found by name, loaded on first need, checked at the border.

Plugins of campaign's own distribution are always there; others only where a spec ``use``s them.  Nothing of stevedore,
pluggy, cerberus or importlib.metadata is imported before a plugin is asked for: a spec that declares its own tools
starts without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus, Severity
from campaign.plugins.names import full_name, split_name
from campaign.plugins.printing import printing_aside

# Everything else is imported inside functions: this module is allowed to, for the sake of a quick start.
if TYPE_CHECKING:
    from types import ModuleType

    from pluggy import HookRelay, PluginManager

    from campaign.plugins.api import Evidence, Exit, Provider
    from campaign.plugins.discovery import Distribution, Installed, Origin
    from campaign.units import Value

Kind: TypeAlias = Literal["tool", "fault", "schedule", "oracle", "matcher", "minimizer", "reporter", "executor"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: How like an installed plugin (difflib) a name must be to be taken for a slip, not for a package that is missing.
_NEAR = 0.7


class PluginError(CampaignError):
    """A plugin that cannot be used; its diagnostics name it, its distribution and the hook."""


class Plugin(Struct, frozen=True):
    """An installed plugin: where it comes from, and what it provides or why it cannot be used."""

    name: str
    origins: tuple[Origin, ...]
    providers: Mapping[str, Mapping[str, Provider]] = {}
    problems: tuple[Diagnostic, ...] = ()
    module: ModuleType | None = None


class Registry:
    """Finds providers by kind and full name; remembers what it loaded, and what could not be loaded."""

    def __init__(self, uses: Iterable[str] = ()) -> None:
        self._allowed = set(uses)
        self._plugins: dict[str, Plugin] = {}
        self._found: Installed | None = None
        self._manager: PluginManager | None = None

    def use(self, names: Iterable[str]) -> list[Diagnostic]:
        """Allow and load these plugins; returns what is wrong with them, without a place in the spec."""
        found: list[Diagnostic] = []
        for name in names:
            self._allowed.add(name)
            plugin = self._load(name)
            found += plugin.problems if plugin else (self._not_installed(name),)
        return found

    def find(self, kind: Kind, name: str) -> Provider | None:
        """The provider of that full name, None where there is none; raises PluginError for a broken plugin."""
        prefix, provider = split_name(name)
        if not self._may_load(prefix):
            return None
        plugin = self._load(prefix)
        if plugin is None:
            return None
        if plugin.problems:
            raise PluginError(plugin.problems)
        return plugin.providers[kind].get(full_name(prefix, provider))

    def names(self, kind: Kind) -> list[str]:
        """The full names of every usable provider of this kind, sorted."""
        loaded = (self._load(name) for name in self._installed() if self._may_load(name))
        return sorted(name for plugin in loaded if plugin for name in plugin.providers.get(kind, ()))

    def matching(self, kind: Kind, name: str) -> list[str]:
        """The full names that ``name`` may mean where the plugin's is left out: ``min_cores``, ``host.min_cores``.

        A name that is already full means itself alone.
        """
        names = self.names(kind)
        return [name] if name in names else [each for each in names if split_name(each)[1] == name]

    def is_missing(self, name: str) -> bool:
        """Whether the provider's plugin is allowed by a ``use`` but not installed, which ``use`` has told."""
        prefix, _ = split_name(name)
        return prefix in self._allowed and prefix not in self._installed()

    def hint(self, kind: Kind, name: str) -> str | None:
        """What to write instead of a provider that was not found: another name, a ``use``, or what to install."""
        from difflib import get_close_matches

        prefix, _ = split_name(name)
        if prefix in self._installed() and not self._may_load(prefix):
            return f"write `use {prefix}`"
        near = get_close_matches(name, self.names(kind), n=1)
        if near:
            return f"did you mean {near[0]}?"
        if prefix in self._installed():
            offered = ", ".join(each for each in self.names(kind) if split_name(each)[0] == prefix)
            return f"{prefix} provides {offered}" if offered else f"{prefix} provides no {kind}"
        return None

    def unavailable(self, kind: Kind, name: str) -> Diagnostic | None:
        """Why a provider cannot be used on this machine, None where it can; raises PluginError for a broken plugin."""
        from campaign.plugins.border import one_line

        provider = self.find(kind, name)
        if provider is None:
            return None
        try:
            with printing_aside():
                reason = provider.available()
        except (Exception, SystemExit) as error:  # a stranger's code: it must not take the plan down
            reason = f"{self.origin(name)} raises in available(): {one_line(error)}"
        return None if reason is None else _unusable(kind, name, reason)

    def missing(self, name: str, settings: Mapping[str, Value], env: Mapping[str, str]) -> Diagnostic | None:
        """What an oracle lacks on this machine for these settings, None where nothing; raises PluginError likewise."""
        from campaign.plugins.api import Oracle
        from campaign.plugins.parameters import defaults

        oracle = self.find("oracle", name)
        if not isinstance(oracle, Oracle):
            return None
        return self._missing("oracle", name, lambda: oracle.missing({**defaults(oracle), **settings}, env))

    def fault_missing(self, name: str, settings: Mapping[str, Value]) -> Diagnostic | None:
        """What a fault or hold lacks on this machine for these settings, None where nothing."""
        from campaign.plugins.api import Fault
        from campaign.plugins.parameters import defaults

        fault = self.find("fault", name)
        if not isinstance(fault, Fault):
            return None
        return self._missing("fault", name, lambda: fault.missing({**defaults(fault), **settings}))

    def _missing(self, kind: Kind, name: str, ask: Callable[[], str | None]) -> Diagnostic | None:
        from campaign.plugins.border import one_line

        try:
            with printing_aside():
                reason = ask()
        except (Exception, SystemExit) as error:  # a stranger's code: it must not take the plan down
            reason = f"{self.origin(name)} raises in missing(): {one_line(error)}"
        return None if reason is None else _unusable(kind, name, reason)

    def origin(self, name: str) -> str:
        """The plugin that a name begins with, and its distribution: ``plugin rails (campaign-rails 1.2)``."""
        plugin, _ = split_name(name)
        origins = self._installed().get(plugin, ())
        return f"plugin {plugin} ({origins[0]})" if origins else f"plugin {plugin}"

    def distributions(self) -> list[Distribution]:
        """The distribution of every plugin that was loaded, with a hash that changes whenever its files do."""
        from campaign.plugins.discovery import distribution_of

        loaded = sorted(self._plugins.items())
        return [distribution_of(plugin.origins[0], plugin.module) for _, plugin in loaded if plugin.module]

    def installed(self) -> list[Plugin]:
        """Every installed plugin, whether used or not, loaded and checked; for ``campaign plugins``."""
        return [plugin for name in self._installed() if (plugin := self._load(name))]

    @property
    def hook(self) -> HookRelay:
        """pluggy's hooks over the plugins that were loaded."""
        return self._pluggy().hook

    def hears(self, hook: str) -> bool:
        """Whether a loaded plugin implements this hook; nothing is imported to find out."""
        return bool(self.implementing(hook))

    def implementing(self, hook: str) -> tuple[str, ...]:
        """The loaded plugins that implement this hook, sorted; nothing is imported to find out."""
        if self._manager is None:
            return ()
        return tuple(sorted(each.plugin_name for each in getattr(self._manager.hook, hook).get_hookimpls()))

    def emit(self, hook: str, **arguments: Any) -> list[Diagnostic]:
        """Tell every loaded plugin of an event; one that raises costs a warning, and the others still hear of it."""
        return self._call_each(hook, arguments)[1]

    def fingerprint(
        self,
        exit: Exit,
        evidence: Evidence,
        message: str,
    ) -> tuple[str | None, list[Diagnostic]]:
        """The first plugin's signature of a failure, and a warning for each plugin that failed to give one."""
        arguments = {"exit": exit, "evidence": evidence, "message": message}
        results, warnings = self._call_each("campaign_fingerprint", arguments)
        return next((result for result in results if isinstance(result, str) and result), None), warnings

    def _call_each(self, hook: str, arguments: Mapping[str, Any]) -> tuple[list[Any], list[Diagnostic]]:
        from campaign.plugins.border import one_line, only

        manager, results, warnings = self._pluggy(), [], []
        for name, module in manager.list_name_plugin():
            try:
                with printing_aside():
                    result = only(manager, module, hook)(**arguments)
                results += result if isinstance(result, list) else [result]
            except (Exception, SystemExit) as error:  # a stranger's code: an event cannot alter results
                summary = f"{self.origin(name)} raises in the hook {hook}: {one_line(error)}"
                warnings.append(Diagnostic("CAMP405", summary, severity=Severity.WARNING))
        return results, warnings

    def _may_load(self, plugin: str) -> bool:
        return plugin in self._allowed or self._is_standard(plugin)

    def _is_standard(self, plugin: str) -> bool:
        from campaign.plugins.discovery import OWN_DISTRIBUTION

        return any(origin.distribution == OWN_DISTRIBUTION for origin in self._installed().get(plugin, ()))

    def _installed(self) -> Mapping[str, tuple[Origin, ...]]:
        return self._environment().origins

    def _environment(self) -> Installed:
        if self._found is None:
            from campaign.plugins.discovery import Installed

            self._found = Installed()
        return self._found

    def _pluggy(self) -> PluginManager:
        if self._manager is None:
            from campaign.plugins.border import new_manager

            self._manager = new_manager()
        return self._manager

    def _load(self, name: str) -> Plugin | None:
        """Load a plugin once; None where none of that name is installed."""
        if name not in self._plugins:
            origins = self._installed().get(name)
            if origins is None:
                return None
            with printing_aside():
                self._plugins[name] = self._loaded(name, origins)
        return self._plugins[name]

    def _loaded(self, name: str, origins: tuple[Origin, ...]) -> Plugin:
        from campaign.plugins.border import RejectedError, admit, collect

        if len(origins) > 1:
            return Plugin(name, origins, problems=(_conflict(name, origins),))
        try:
            module = admit(self._pluggy(), name, _import(self._environment(), name))
            return Plugin(name, origins, collect(self._pluggy(), name, module), module=module)
        except RejectedError as error:
            return Plugin(name, origins, problems=tuple(error.diagnostics(origins[0])))

    def _not_installed(self, name: str) -> Diagnostic:
        from difflib import get_close_matches

        near = get_close_matches(name, self._installed(), n=1, cutoff=_NEAR)
        often = f"pip install campaign-{name} (in a source tree of campaign: ./plugins/campaign-{name})"
        package = f"install the package that provides it, often: {often}"
        hint = f"did you mean {near[0]}?" if near else f"{package}; `campaign plugins` lists what is installed"
        return Diagnostic("CAMP400", f"plugin {name} is not installed", hint=hint, status=ExitStatus.SETUP)


def _unusable(kind: Kind, name: str, reason: str) -> Diagnostic:
    return Diagnostic("CAMP408", f"{kind} {name} cannot be used here: {reason}", status=ExitStatus.SETUP)


def _import(environment: Installed, name: str) -> object:
    from campaign.plugins.border import RejectedError, one_line

    try:
        return environment.load(name)
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything
        raise RejectedError("CAMP401", f"cannot be imported: {one_line(error)}") from error


def _conflict(name: str, origins: tuple[Origin, ...]) -> Diagnostic:
    places = " and ".join(str(origin) for origin in origins)
    hint = "uninstall one of them"
    return Diagnostic("CAMP402", f"two plugins are called {name}: from {places}", hint=hint, status=ExitStatus.SETUP)
