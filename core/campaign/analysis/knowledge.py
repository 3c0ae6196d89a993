"""What rule sets know of runs: the triage rules that an analysis asks, and what they say of each trial."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from campaign.diagnostics import CampaignError
from campaign.judge.triage import OF_FAILURES, TIMES, Lookup, lacking, said_of
from campaign.language.expressions import Missing
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import Trial
from campaign.ledger.trials import Shape
from campaign.plugins.names import canonical
from campaign.readable import read_bounded
from campaign.records import Exit, FaultExit, OracleRecord, Order
from campaign.records.analysis import Cause
from campaign.rules.failures import Triager
from campaign.rules.files import bind_paths
from campaign.rules.installed import TRIAGE, installed_rules
from campaign.rules.structs import RuleBook, Triage
from campaign.units import Value

#: Of a file: more than any rule set may have, so that its size is seen and refused.
_MOST_BYTES = 1 << 20
#: Runs and fingerprints that a cause names.
MOST_NAMED = 5
#: How an exit record that tells of faults can be told from others without reading it: empty fields are left out.
_FAULTS = b'"faults":'


class Knowledge(Struct, frozen=True):
    """The rules that are asked, those that explain and those that doubt; the sets they come from, and what is amiss."""

    explaining: tuple[Triage, ...] = ()
    suspicious: tuple[Triage, ...] = ()
    rule_sets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def knowledge_of(book: RuleBook, paths: Sequence[str] = ()) -> Knowledge:
    """What the campaign's own rule book knows, then the sets in ``paths``, then those that packages bring.

    Of two rules with one id the first in this order holds.  Raises CampaignError for a path that is no rule set; an
    installed set that is broken is noted.
    """
    books = [bind_paths(paths, _read).book] if paths else []
    notes: list[str] = []
    brought: list[RuleBook] = []
    for name, path in installed_rules(TRIAGE).items():
        try:
            brought.append(bind_paths([path], _read).book)
        except CampaignError as error:
            notes.append(f"the installed rule set {name} is broken: {error.diagnostics[0].summary}")
    return combined([*books, book, *brought], notes)


def _read(path: str) -> bytes:
    return read_bounded(path, _MOST_BYTES)


def combined(books: Iterable[RuleBook], notes: Iterable[str] = ()) -> Knowledge:
    """The rules of several books, those of the first before the others'."""
    rules: dict[str, Triage] = {}
    names: dict[str, None] = {}
    for book in books:
        for rule in book.triage.values():
            rules.setdefault(canonical(rule.id), rule)
            names[rule.origin.rule_set] = None
    explaining = tuple(rule for rule in rules.values() if not rule.suspicious)
    suspicious = tuple(rule for rule in rules.values() if rule.suspicious)
    return Knowledge(explaining, suspicious, tuple(names), tuple(notes))


class Parts:
    """The large parts of a trial, each read from the ledger when a rule asks for it; a lookup of its names."""

    __slots__ = ("_absent", "_exit", "_faults", "_ledger", "_lookup", "_order", "_trial")

    def __init__(self, ledger: LedgerReader, trial: Trial, absent: frozenset[str]) -> None:
        """``absent`` are names that it is known to lack, so that nothing is read for them."""
        self._ledger, self._trial, self._absent = ledger, trial, absent
        self._order: Order | None = None
        self._exit: Exit | None = None
        self._faults: tuple[FaultExit, ...] | None = None
        said = said_of(trial.verdict or "", trial.kind, trial.message, trial.fingerprint)
        self._lookup = Lookup(said, self)

    def __call__(self, name: str) -> Value:
        """The value of a name; raises Missing."""
        if name in self._absent:
            raise Missing(name)
        return self._lookup(name)

    @property
    def order(self) -> Order:
        """What was to be done."""
        if self._order is None:
            self._order = self._ledger.order_of(self._trial)
        return self._order

    @property
    def exit(self) -> Exit | None:
        """What happened."""
        if self._exit is None:
            self._exit = self._ledger.exit_of(self._trial)
        return self._exit

    @property
    def faults(self) -> tuple[FaultExit, ...]:
        """The faults that happened."""
        if self._faults is None:
            self._faults = self._ledger.faults_of(self._trial)
        return self._faults

    @property
    def oracles(self) -> tuple[OracleRecord, ...]:
        """What the oracles said."""
        return self._ledger.oracles_of(self._trial)


class Tally:
    """What one rule was found to know."""

    __slots__ = ("fingerprints", "first", "passed", "rule", "runs")

    def __init__(self, rule: Triage) -> None:
        self.rule = rule
        self.runs = self.passed = 0
        self.first: list[str] = []
        self.fingerprints: dict[str, None] = {}

    def add(self, trial: Trial) -> None:
        """Count a trial that the rule knows."""
        self.runs += 1
        self.passed += trial.verdict == "pass"
        if len(self.first) < MOST_NAMED:
            self.first.append(trial.name)
        if trial.fingerprint and len(self.fingerprints) < MOST_NAMED:
            self.fingerprints[trial.fingerprint] = None

    def record(self) -> Cause:
        """As the analysis tells it."""
        rule = self.rule
        return Cause(
            rule=rule.id,
            rule_set=rule.origin.rule_set,
            cause=rule.cause,
            fix=rule.fix,
            where=rule.where,
            runs=self.runs,
            passed=self.passed,
            first=tuple(self.first),
            fingerprints=tuple(self.fingerprints),
        )


class _Asked(Struct, frozen=True):
    """The rules that are asked of trials of one kind, and the names that all of these lack."""

    absent: frozenset[str]
    explaining: Triager
    suspicious: Triager


class Experts:
    """Asks the rules about trials, one by one, and counts what they know."""

    def __init__(self, ledger: LedgerReader, knowledge: Knowledge) -> None:
        self._ledger = ledger
        self._explaining, self._suspicious = Triager(knowledge.explaining), Triager(knowledge.suspicious)
        self._names = self._explaining.names | self._suspicious.names
        self._lacking: dict[tuple[tuple[str, ...], ...], frozenset[str]] = {}
        self._asked: dict[tuple[frozenset[str], bool, bool], _Asked] = {}
        self._tallies: dict[str, Tally] = {}
        self.suspected = 0

    def lacking(self, shape: Shape) -> frozenset[str]:
        """The names that no run of a cell has."""
        key = (
            tuple([metric.name for step in shape.steps for metric in step.metrics]),
            tuple([step.label for step in shape.steps]),
            tuple([each.label for asked in (shape.oracles, shape.watches) for each in asked]),
        )
        if key not in self._lacking:
            self._lacking[key] = lacking(self._names, *key)
        return self._lacking[key]

    def ask(self, trial: Trial, lacks: frozenset[str]) -> tuple[list[str], list[str]]:
        """The ids of the rules that explain a trial that failed, and of those that doubt one, whatever it came to."""
        if trial.verdict not in ("pass", "fail", "error"):
            return [], []
        asked = self._of(lacks, trial)
        if not asked.explaining and not asked.suspicious:
            return [], []
        parts = Parts(self._ledger, trial, asked.absent)
        explaining = self._counted(asked.explaining.known(parts), trial)
        suspicious = self._counted(asked.suspicious.known(parts), trial)
        self.suspected += bool(suspicious)
        return explaining, suspicious

    def _of(self, lacks: frozenset[str], trial: Trial) -> _Asked:
        """The rules that may hold of a trial, by what is known of it without reading its large parts."""
        key = lacks, trial.exit is not None and _FAULTS in trial.exit, trial.verdict == "pass"
        found = self._asked.get(key)
        if found is None:
            _, faults, passed = key
            absent = lacks | (frozenset() if faults else TIMES) | (OF_FAILURES if passed else frozenset())
            explaining = Triager(()) if passed else self._explaining.without(absent)
            found = self._asked[key] = _Asked(absent, explaining, self._suspicious.without(absent))
        return found

    def _counted(self, rules: Iterable[Triage], trial: Trial) -> list[str]:
        known: list[str] = []
        for rule in rules:
            if rule.id not in self._tallies:
                self._tallies[rule.id] = Tally(rule)
            self._tallies[rule.id].add(trial)
            known.append(rule.id)
        return known

    def causes(self, *, suspicious: bool) -> tuple[Cause, ...]:
        """What the rules know, the most frequent first."""
        found = (each for each in self._tallies.values() if each.rule.suspicious is suspicious)
        return tuple(each.record() for each in sorted(found, key=lambda each: -each.runs))
