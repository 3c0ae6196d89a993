"""The command line of a tool that a spec declares, prepared once and filled in for every run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, Literal

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.language.expressions import Closure, EvaluationError, compile_expression, references
from campaign.language.names import shown
from campaign.language.providers import Declared, Facts
from campaign.language.syntax import Hole, Text
from campaign.language.values import BUILTIN
from campaign.plugins.names import canonical
from campaign.records import HoleOrder
from campaign.records.order import Template
from campaign.units import Value

#: Which of a tool's argument vectors is meant: to run it, to run it and trace, to carry a trace out again.
Choose = Literal["run", "trace", "replay"]
#: The folder of an attempt in which traces lie.
TRACE_FOLDER = "trace"


class Word(Struct, frozen=True):
    """One argument; with ``switch``, a bool parameter's key, it is there only where that is true.

    ``template`` is how it is made, as an order says it.
    """

    text: Closure
    switch: str | None = None
    template: Template = ()


class Manifest(Struct, frozen=True):
    """``file`` is the one that declares the tool: a first word with a slash is relative to it.

    ``enable`` are the arguments that have it trace, ``replay`` what carries a trace out again.  ``always``: its own
    command names the file of its trace.
    """

    argv: tuple[Word, ...]
    env: tuple[tuple[str, Word], ...]
    trace: Closure | None
    enable: tuple[Word, ...]
    replay: tuple[Word, ...]
    always: bool
    file: str

    def trace_path(self, local: Mapping[str, Value]) -> str:
        """Where the trace goes, relative to the attempt; raises CampaignError where that is not below ``trace/``."""
        assert self.trace is not None
        path = _text(self.trace, local)
        names = path.removeprefix(f"{TRACE_FOLDER}/").split("/")
        if not all(name.strip(".") for name in names) or "\0" in path:
            raise CampaignError([Diagnostic("CAMP141", f"{shown(path)} is no file below {TRACE_FOLDER}/")])
        return "/".join((TRACE_FOLDER, *names))

    def command(self, local: Mapping[str, Value], chosen: Choose) -> tuple[tuple[str, ...], dict[str, str]]:
        """Arguments and environment; ``local`` has parameters by canonical name and builtins with ``@``."""
        argv = tuple(_text(word.text, local) for word in self._words(local, chosen))
        return argv, {name: _text(word.text, local) for name, word in self.env}

    def templates(self, local: Mapping[str, Value], chosen: Choose) -> tuple[Template, ...]:
        """How the arguments that ``command`` gives are made."""
        return tuple(word.template for word in self._words(local, chosen))

    def _words(self, local: Mapping[str, Value], chosen: Choose) -> Iterator[Word]:
        words = {"run": self.argv, "trace": (*self.argv, *self.enable), "replay": self.replay}[chosen]
        return (word for word in words if word.switch is None or local.get(word.switch) is True)

    @property
    def env_templates(self) -> dict[str, Template]:
        """How the variables that ``command`` gives are made."""
        return {name: word.template for name, word in self.env}


def _text(closure: Closure, local: Mapping[str, Value]) -> str:
    try:
        return str(closure(local))
    except EvaluationError as error:
        raise CampaignError([Diagnostic("CAMP113", error.message, error.span)]) from None


def manifest(facts: Facts, declared: Declared) -> Manifest:
    """Prepare a declared tool; a ``flag`` stands where its parameter does, else after the written arguments."""
    words = [_word(text, facts) for text in declared.command.arguments]
    placed = {word.switch for word in words}
    words += [
        Word(_closure(parameter.flag, facts), key, _template(parameter.flag, facts, key))
        for key, parameter in facts.parameters.items()
        if parameter.flag is not None and key not in placed
    ]
    return Manifest(
        argv=tuple(words),
        env=tuple(
            (each.name.text, Word(_closure(each.value, facts), None, _template(each.value, facts)))
            for each in declared.env
        ),
        trace=_closure(declared.trace.path, facts) if declared.trace is not None else None,
        enable=tuple(_word(text, facts) for text in (declared.trace.enable if declared.trace is not None else ())),
        replay=tuple(_word(text, facts) for text in (declared.replay.arguments if declared.replay is not None else ())),
        always="trace" in _named(_texts(declared, facts), facts),
        file=declared.command.span.file,
    )


def placeholders(facts: Facts, declared: Declared) -> set[str]:
    """The names in a declared tool's strings that are not its parameters: ``workdir``, ``env.HOME``, ``srv.port``."""
    trace = (declared.trace.path, *declared.trace.enable) if declared.trace is not None else ()
    replay = declared.replay.arguments if declared.replay is not None else ()
    return _named((*_texts(declared, facts), *trace, *replay), facts)


def _texts(declared: Declared, facts: Facts) -> tuple[Text, ...]:
    """What a run of it is started with, traced or not."""
    flags = tuple(each.flag for each in facts.parameters.values() if each.flag is not None)
    return (*declared.command.arguments, *(each.value for each in declared.env), *flags)


def _named(texts: Iterable[Text], facts: Facts) -> set[str]:
    names = {each.name for text in texts for each in references(text) if isinstance(each, Hole)}
    return {name for name in names if canonical(name) not in facts.parameters}


def _word(text: Text, facts: Facts) -> Word:
    """An argument that is nothing but a parameter with a ``flag`` is that flag, or nothing."""
    only = text.parts[0] if len(text.parts) == 1 else None
    if isinstance(only, Hole) and only.unit is None:
        parameter = facts.parameters.get(canonical(only.name))
        if parameter is not None and parameter.flag is not None:
            key = canonical(only.name)
            return Word(_closure(parameter.flag, facts), key, _template(parameter.flag, facts, key))
    return Word(_closure(text, facts), None, _template(text, facts))


def _template(text: Text, facts: Facts, switch: str | None = None) -> Template:
    parts: list[str | HoleOrder | None] = (
        [] if switch is None else [HoleOrder(facts.parameters[switch].name, None, True)]
    )
    for part in text.parts:
        parameter = facts.parameters.get(canonical(part.name)) if isinstance(part, Hole) else None
        if isinstance(part, str):
            parts.append(part)
        else:
            parts.append(None if parameter is None else HoleOrder(parameter.name, part.unit))
    return tuple(parts)


def _closure(text: Text, facts: Facts) -> Closure:
    return compile_expression(text, lambda name: _bound(name, facts))


def _bound(name: str, facts: Facts) -> Any:
    key = canonical(name)
    return itemgetter(key) if key in facts.parameters else itemgetter(f"{BUILTIN}{name}")
