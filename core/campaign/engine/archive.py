"""A campaign as one file: a plain tar of regular files, the first of which lists the others with their digests.

``manifest.json``      what it is, and every other member with its size and SHA-256, in the order in which they stand
``campaign.json``      the campaign's row, its remarks, and the hash of its snapshot
``attempts.ldjson``    an attempt a line: its row, order, exit record and judgements
``events.ldjson``      an event a line
``snapshot/HASH``      the parts of the snapshot
``files/PATH``         the evidence, by its path below the campaign's folder

Nothing in it is absolute and nothing is secret: directories are relative to the campaign's folder, values of
environments are masked.  Digests tell what was damaged on the way; they prove nothing of who made it.
"""

from __future__ import annotations

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.ledger.rows import AttemptRow, CampaignRow, RequestRow
from campaign.records import Decision, Exit, OracleRecord, Order, Remark

ARCHIVE_SCHEMA = "campaign.archive/1"
MANIFEST, CAMPAIGN, ATTEMPTS, EVENTS = "manifest.json", "campaign.json", "attempts.ldjson", "events.ldjson"
SNAPSHOT, FILES = "snapshot/", "files/"
#: What an archive may hold at most; what is larger is refused on both sides.
MOST_MEMBERS = 2_000_000
MOST_MANIFEST_BYTES = 1 << 29
MOST_LINE_BYTES = 1 << 26
MOST_PATH_BYTES = 4000
MOST_DEPTH = 64


class Member(Struct, frozen=True):
    """One file of the archive; ``sha256`` in hex."""

    name: str
    size_bytes: int
    sha256: str


class LeftOut(Struct, frozen=True):
    """Something in the campaign's folder that is not in the archive, and why."""

    path: str
    why: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What an archive says of itself; ``version`` is that of the campaign that made it."""

    schema: str = ARCHIVE_SCHEMA
    campaign: str
    version: str
    made_at: str
    members: tuple[Member, ...]
    left_out: tuple[LeftOut, ...] = ()


class ArchivedCampaign(Struct, frozen=True, kw_only=True):
    """The campaign's row (``run_root`` is empty), what people said of it, and what was asked for beside its plan."""

    row: CampaignRow
    remarks: tuple[Remark, ...] = ()
    requests: tuple[RequestRow, ...] = ()


class ArchivedJudgement(Struct, frozen=True, kw_only=True):
    """A judgement of an attempt."""

    source: str
    at: str
    oracles: tuple[OracleRecord, ...]
    decision: Decision


class ArchivedAttempt(Struct, frozen=True, kw_only=True):
    """An attempt; ``row.directory`` and the order's directories are relative to the campaign's folder."""

    row: AttemptRow
    order: Order
    exit: Exit | None = None
    judgements: tuple[ArchivedJudgement, ...] = ()


def relative(path: str) -> bool:
    """Whether a path leads from a folder to something below it, and to nothing else, by ordinary names."""
    parts = path.split("/")
    ordinary = all(part not in {"", ".", ".."} and len(part.encode("utf-8", "replace")) < 256 for part in parts)
    clean = not any(ord(char) < 0x20 or 0xD800 <= ord(char) < 0xE000 or ord(char) == 0x7F for char in path)
    return ordinary and clean and len(parts) <= MOST_DEPTH and len(path.encode("utf-8", "replace")) <= MOST_PATH_BYTES


def refused(path: str, why: str) -> CampaignError:
    """CAMP586: an archive that is not taken in."""
    hint = "nothing of it was taken in; make it again with campaign export"
    return CampaignError([Diagnostic("CAMP586", f"{path} is no archive to be trusted: {why}", hint=hint)])


def not_exported(campaign: str, why: str, hint: str | None = None) -> CampaignError:
    """CAMP587: a campaign that cannot be made an archive of."""
    summary = f"{campaign} cannot be exported: {why}"
    return CampaignError([Diagnostic("CAMP587", summary, hint=hint, status=ExitStatus.SETUP)])
