"""Changing a rule set in place: the text is edited where the change stands, so that everything else stays as it was.

Comments, order, alignment and quotes are the author's.  What was written is read again before anyone relies on it.
"""

from __future__ import annotations

from msgspec.structs import replace

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.plugins.names import canonical
from campaign.rules.limits import dimension
from campaign.rules.load import load_rule_set
from campaign.rules.reading import Document, Entries, Items, Node, Scalar, read_document
from campaign.rules.structs import Quarantine, RuleSet

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/")


class Edit:
    """A rule set's text, being changed."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        document, found = read_document(path, data)
        before, wrong = load_rule_set(path, data)
        if document is None or before is None:
            raise CampaignError(found or wrong)
        self.before: RuleSet = before
        self.document: Document = document
        self.text = document.source.text
        self._starts = [0, *(at + 1 for at, char in enumerate(self.text) if char == "\n")]

    def offset(self, line: int, column: int) -> int:
        """Where a place stands in the text."""
        return self._starts[line - 1] + column - 1

    def end(self, node: Node) -> int:
        """The offset behind the last character of a node; what follows a block may be somebody's comment."""
        last: Node = node
        while not isinstance(last, Scalar) and not self.is_flow(last):
            inner = last.items if isinstance(last, Items) else tuple(last.entries.values())
            if not inner:
                break
            last = inner[-1]
        return self.offset(last.span.end_line, last.span.end_column)

    def is_flow(self, node: Node) -> bool:
        """Whether a list or a mapping stands in brackets."""
        return self.text[self.offset(node.span.line, node.span.column)] in "[{"

    def replace(self, start: int, end: int, text: str) -> None:
        """Put ``text`` in the place of what stands there; one change for each reading."""
        self.text = self.text[:start] + text + self.text[end:]

    def after_line(self, at: int, text: str) -> None:
        """Put lines behind the line of an offset."""
        end = self.text.find("\n", at)
        if end < 0:
            self.text += "\n"
            end = len(self.text) - 1
        self.replace(end + 1, end + 1, text)

    def append(self, text: str) -> None:
        """Put lines at the end of the file; raises CampaignError where the whole set stands in brackets."""
        if self.is_flow(self.document.root):
            raise _refused(self.path, "it stands in brackets as a whole", "write its keys on lines of their own")
        newline = "" if self.text.endswith("\n") else "\n"
        self.text = f"{self.text}{newline}{text}"

    def into_flow(self, node: Node, text: str) -> None:
        """Add to a list or a mapping in brackets."""
        end = self.offset(node.span.end_line, node.span.end_column) - 1
        empty = not (node.items if isinstance(node, Items) else node.entries if isinstance(node, Entries) else ())
        while end > 0 and self.text[end - 1] == " ":
            end -= 1
        self.replace(end, end, text if empty else f", {text}")

    def done(self) -> tuple[bytes, RuleSet]:
        """The bytes to write, and what they say; raises CampaignError where they would be no rule set."""
        data = self.text.encode()
        after, found = load_rule_set(self.path, data)
        if after is None:  # its places are those of a text that nobody has
            raise CampaignError([replace(each, summary=self._left(each), span=None, related=()) for each in found])
        return data, after

    def _left(self, wrong: Diagnostic) -> str:
        return f"{self.path} is left as it is: {wrong.summary}"


def quarantined(path: str, data: bytes, entry: dict[str, str]) -> bytes:
    """A rule set with one more failure in quarantine, or with what it said of that one replaced."""
    edit = Edit(path, data)
    text = "{" + ", ".join(f"{name}: {quoted(value)}" for name, value in entry.items()) + "}"
    node = edit.document.root.entries.get("quarantine")
    known = _with_fingerprint(node, entry["fingerprint"])
    if known is not None:
        edit.replace(edit.offset(known.span.line, known.span.column), edit.end(known), text)
    elif isinstance(node, Items) and edit.is_flow(node):
        edit.into_flow(node, text)
    elif isinstance(node, Items):
        edit.after_line(edit.end(node), f"{' ' * (node.span.column - 1)}- {text}\n")
    else:
        edit.append(f"quarantine:\n  - {text}\n")
    return edit.done()[0]


def already(path: str, data: bytes, fingerprint: str) -> Quarantine | None:
    """What a rule set says of a failure by now; raises CampaignError where it is none."""
    return next((each for each in Edit(path, data).before.quarantine if each.fingerprint == fingerprint), None)


def _with_fingerprint(node: Node | None, fingerprint: str) -> Entries | None:
    for item in node.items if isinstance(node, Items) else ():
        mark = item.entries.get("fingerprint") if isinstance(item, Entries) else None
        if isinstance(item, Entries) and isinstance(mark, Scalar) and mark.text == fingerprint:
            return item
    return None


def tightened(path: str, data: bytes, name: str, ends: dict[str, str]) -> bytes:
    """A rule set whose limit of ``name`` is narrower; ``ends`` are ``min``, ``max`` and ``why`` as YAML texts.

    Raises CampaignError where any value would be allowed that was not.
    """
    for end in ends:  # one change for each reading
        data = _set_end(path, data, name, end, ends)
    return data


def _set_end(path: str, data: bytes, name: str, end: str, ends: dict[str, str]) -> bytes:
    edit = Edit(path, data)
    text, value = f"{end}: {quoted(ends[end])}", quoted(ends[end])
    limits = edit.document.root.entries.get("limits")
    known = _named(limits, name)
    if isinstance(known, Entries) and end in known.entries:
        node = known.entries[end]
        edit.replace(edit.offset(node.span.line, node.span.column), edit.end(node), value)
    elif isinstance(known, Entries) and edit.is_flow(known):
        edit.into_flow(known, text)
    elif isinstance(known, Entries):
        edit.after_line(edit.end(known), f"{' ' * (known.span.column - 1)}{text}\n")
    elif isinstance(limits, Entries) and edit.is_flow(limits):
        edit.into_flow(limits, f"{name}: {{{text}}}")
    elif isinstance(limits, Entries) and limits.entries:
        edit.after_line(edit.end(limits), f"{' ' * (limits.span.column - 1)}{name}: {{{text}}}\n")
    else:
        edit.append(f"limits:\n  {name}: {{{text}}}\n")
    written, after = edit.done()
    _never_wider(edit.before, after, canonical(name), path)
    return written


def _named(limits: Node | None, name: str) -> Node | None:
    entries = limits.entries if isinstance(limits, Entries) else {}
    return next((node for key, node in entries.items() if canonical(key) == canonical(name)), None)


def _never_wider(before: RuleSet, after: RuleSet, key: str, path: str) -> None:
    old, new = before.limits.get(key), after.limits.get(key)
    if old is None or new is None:
        return
    for was, now in ((old.low, new.low), (old.high, new.high)):
        if was is not None and now is not None and dimension(was.value) != dimension(now.value):
            raise _refused(path, f"{key} is limited as a {dimension(was.value)}", "give the bound in its unit")
    wider_low = old.low is not None and (new.low is None or new.low.value < old.low.value)
    wider_high = old.high is not None and (new.high is None or new.high.value > old.high.value)
    if wider_low or wider_high:
        hint = "edit the file by hand, and have somebody look at it; or override it in a set of its own, with a reason"
        raise _refused(path, f"this would widen the limit of {key}", hint)


def _refused(path: str, why: str, hint: str) -> CampaignError:
    return CampaignError([Diagnostic("CAMP331", f"{path} is left as it is: {why}", hint=hint)])


def quoted(text: str) -> str:
    """A text as YAML takes it: plain where that can only be this text."""
    plain = text and _PLAIN.issuperset(text) and text[0] not in "-." and text.casefold() not in _WORDS
    if plain:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
