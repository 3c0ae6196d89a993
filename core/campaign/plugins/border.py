"""The border: what a plugin is and what its hooks return is checked here, before anything else sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

from pluggy import PluginManager, PluginValidationError

from campaign.diagnostics import Diagnostic, ExitStatus
from campaign.plugins import api, hookspecs
from campaign.plugins.discovery import Origin
from campaign.plugins.names import canonical, full_name, is_name, kind_of
from campaign.plugins.parameter_rules import TYPES, SchemaError
from campaign.plugins.patterns import PatternError, compile_pattern
from campaign.plugins.schema import check_schema

#: The kinds of providers that have a class to be instances of, with their hooks.
_CLASSES: Mapping[str, tuple[str, type[api.Provider] | None]] = {
    "tool": ("campaign_tools", api.Tool),
    "fault": ("campaign_faults", api.Fault),
    "schedule": ("campaign_schedules", api.Schedule),
    "oracle": ("campaign_oracles", api.Oracle),
    "matcher": ("campaign_matchers", api.Matcher),
    "minimizer": ("campaign_minimizers", api.Minimizer),
    "reporter": ("campaign_reporters", api.Reporter),
    "executor": ("campaign_executors", None),
}
#: Methods that a provider of a kind must bring itself.
_METHODS: Mapping[str, tuple[str, ...]] = {
    "tool": ("command",),
    "fault": ("inject",),
    "schedule": ("lay_out",),
    "oracle": ("judge",),
    "matcher": ("matches",),
    "minimizer": ("size", "candidates"),
    "reporter": ("report",),
}
#: What a provider says of itself, and the method that it must then bring.
_PROMISED = {"serves": "ready", "traces": "replay", "simulates": "simulate"}
#: Methods that may stand for another one.
_INSTEAD = {"report": "render", "inject": "simulate"}


class RejectedError(Exception):
    """A plugin that cannot be used, with a code and one sentence for each reason."""

    def __init__(self, code: str, *sentences: str, hint: str | None = None) -> None:
        self.code, self.sentences, self.hint = code, sentences, hint
        super().__init__("; ".join(sentences))

    def diagnostics(self, origin: Origin) -> list[Diagnostic]:
        """What to tell the user: each reason, with the plugin and its distribution."""
        return [
            Diagnostic(self.code, f"plugin {origin.plugin} ({origin}) {each}", hint=self.hint, status=ExitStatus.SETUP)
            for each in self.sentences
        ]


def one_line(error: BaseException) -> str:
    """An exception as one line: its type and text, never a traceback."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def new_manager() -> PluginManager:
    """A plugin manager that knows the hooks of ``hookspecs``."""
    manager = PluginManager("campaign")
    manager.add_hookspecs(hookspecs)
    return manager


def admit(manager: PluginManager, plugin: str, loaded: object) -> ModuleType:
    """Register what an entry point named; raises RejectedError with the reason why it is no plugin of ours."""
    if not isinstance(loaded, ModuleType):
        raise RejectedError(
            "CAMP403", f"is {kind_of(loaded)}, not a module", hint='let its entry point name a module: "package.module"'
        )
    _check_api(loaded)
    _check_marked(loaded)
    try:
        manager.register(loaded, name=plugin)
        manager.check_pending()
    except PluginValidationError as error:
        _forget(manager, loaded)
        raise RejectedError("CAMP404", _validation_sentence(loaded, error), hint=_HOOKS_HINT) from error
    except ValueError as error:  # pluggy: this very module is there already
        raise RejectedError(
            "CAMP402", f"names the module {loaded.__name__}, which another entry point names too"
        ) from error
    return loaded


def _check_api(module: ModuleType) -> None:
    version = getattr(module, "api", None)
    if version == api.API and not isinstance(version, bool):
        return
    if version is None:
        raise RejectedError(
            "CAMP403", "does not say which api it speaks", hint=f"write `api = {api.API}` in {module.__name__}"
        )
    hint = f"install a version of it that was made for api {api.API}, or another campaign"
    raise RejectedError("CAMP403", f"speaks api {version!r}, this campaign speaks api {api.API}", hint=hint)


_HOOKS_HINT = "the hooks and their arguments stand in docs/reference/hooks.md"


def _check_marked(module: ModuleType) -> None:
    """A function called like a hook but not marked would be skipped in silence."""
    known = {name for name in vars(hookspecs) if name.startswith("campaign_")}
    for name in sorted(known & vars(module).keys()):
        function = getattr(module, name)
        if isinstance(function, FunctionType) and not hasattr(function, "campaign_impl"):
            raise RejectedError("CAMP404", f"has the hook {name} without its mark", hint="write @hookimpl above it")


def _validation_sentence(module: ModuleType, error: PluginValidationError) -> str:
    """pluggy's own words, without the addresses and line breaks."""
    known = {name for name in vars(hookspecs) if name.startswith("campaign_")}
    for name, function in vars(module).items():
        options = getattr(function, "campaign_impl", None)
        if options is None:
            continue
        hook = options.get("specname") or name
        if hook not in known:
            return f"implements the hook {hook}, which does not exist{_meant(hook, known)}"
    lines = str(error).splitlines()
    hook = next((line.split("'")[3] for line in lines if line.startswith("Plugin ") and line.count("'") >= 4), "a hook")
    return f"implements the hook {hook} with a wrong signature: {' '.join(lines[1:] or lines)}"


def _meant(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # late: only a mistake needs it

    near = get_close_matches(name, sorted(known), n=1)
    return f"; {near[0]} does" if near else ""


def _forget(manager: PluginManager, module: ModuleType) -> None:
    if manager.is_registered(module):
        manager.unregister(module)


def collect(manager: PluginManager, plugin: str, module: ModuleType) -> dict[str, Mapping[str, Any]]:
    """What a plugin provides, by kind and full name; raises RejectedError with everything wrong at once."""
    providers: dict[str, Mapping[str, Any]] = {}
    try:
        for kind, (hook, cls) in _CLASSES.items():
            providers[kind] = _provided(plugin, kind, hook, cls, only(manager, module, hook))
    except RejectedError:
        _forget(manager, module)  # what is broken hears of no event either
        raise
    return providers


def only(manager: PluginManager, module: object, hook: str) -> Callable[..., Any]:
    """A caller of ``hook`` for one plugin, so that what it returns or raises is known to be its own."""
    return manager.subset_hook_caller(hook, [each for each in manager.get_plugins() if each is not module])


def _provided(
    plugin: str, kind: str, hook: str, cls: type[api.Provider] | None, caller: Callable[[], list[Any]]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    wrong: list[str] = []
    for provider in _called(hook, caller):
        objection = _shape(kind, provider, cls) or _twice(plugin, provider, found)
        if objection:
            wrong.append(f"returns from the hook {hook} {objection}")
        else:
            found[full_name(plugin, provider.name)] = provider
    if wrong:
        raise RejectedError("CAMP406", *wrong)
    unusable = [
        f"returns from the hook {hook} {plugin}.{each.name}, whose {reason}"
        for each in found.values()
        for reason in _schema(each)
    ]
    if unusable:
        raise RejectedError("CAMP407", *unusable)
    return found


def _called(hook: str, caller: Callable[[], list[Any]]) -> Iterator[Any]:
    """Everything that the implementations of ``hook`` return, one by one; a hook may be a generator."""
    try:
        for result in caller():
            if isinstance(result, str | bytes) or not isinstance(result, Iterable):
                raise RejectedError(
                    "CAMP406", f"returns from the hook {hook} {kind_of(result)}, not a list of providers"
                )
            yield from list(result)
    except RejectedError:
        raise
    except (Exception, SystemExit) as error:  # whatever a stranger's code raises
        raise RejectedError("CAMP405", f"raises in the hook {hook}: {one_line(error)}") from error


def _shape(kind: str, provider: Any, cls: type[api.Provider] | None) -> str | None:
    """Why this is no provider of its kind, as the end of a sentence; None where it is one."""
    if isinstance(provider, type):
        return f"the class {provider.__name__}, not an instance of it"
    if cls is not None and not isinstance(provider, cls):
        return f"{kind_of(provider)}, which is no {cls.__name__} of campaign.plugins.api"
    name = getattr(provider, "name", None)
    if name is None:
        return f"{kind_of(provider)} without a name"
    if not is_name(name):
        return f"{kind_of(provider)} whose name {name!r} is not a name of the language"
    if missing := _missing(kind, provider, cls):
        return f"{name} without {missing}"
    if isinstance(provider, api.Tool) and (wrong := _wrong_metric(provider.metrics)):
        return f"{name} whose metrics hold {wrong}"
    return None if provider.__hash__ else f"{name}, which cannot be hashed; providers are frozen"


def _missing(kind: str, provider: Any, cls: type[api.Provider] | None) -> str | None:
    if cls is None:
        return None
    if not isinstance(getattr(provider, "about", None), str):
        return "`about`, one sentence that says what it is"
    needed = (
        *_METHODS.get(kind, ()),
        *(method for flag, method in _PROMISED.items() if getattr(provider, flag, False)),
    )
    inherited = (method for method in needed if not _brings(provider, cls, method))
    return next((f"the method {method}" for method in inherited), None)


def _brings(provider: Any, cls: type[api.Provider], method: str) -> bool:
    """Whether a provider's class has this method of its own, or the one that may stand for it."""
    methods = (method, _INSTEAD.get(method, method))
    return any(getattr(type(provider), each) is not getattr(cls, each) for each in methods)


def _wrong_metric(metrics: Iterable[Any]) -> str | None:
    """The first metric that could not be read from an output, and why."""
    for metric in metrics:
        if not isinstance(metric, api.Metric) or not is_name(metric.name):
            return f"{kind_of(metric)}, which is no Metric with a name of the language"
        if metric.type not in TYPES or metric.type == "list":
            return f"{metric.name} of the unknown type {metric.type}"
        try:
            if compile_pattern(metric.pattern).groups < 1:
                return f"{metric.name} with a pattern without a group"
        except PatternError as error:
            return f"{metric.name} with a pattern that is no linear-time one: {error}"
    return None


def _twice(plugin: str, provider: Any, found: Mapping[str, Any]) -> str | None:
    taken = {canonical(other): other for other in found}
    other = taken.get(canonical(full_name(plugin, provider.name)))
    return None if other is None else f"two providers of one name: {other} and {full_name(plugin, provider.name)}"


def _schema(provider: Any) -> list[str]:
    try:
        return check_schema(provider) if isinstance(provider, api.Provider) else []
    except SchemaError as error:
        return list(error.reasons)
