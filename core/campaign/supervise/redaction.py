"""What a provider host answers, without the secrets: taken out once, where the supervisor takes the answer in.

What only goes back to a provider stays whole: the inverse of a fault, and what a served tool exports.
"""

from __future__ import annotations

from msgspec.structs import replace

from campaign.records import Judgement, mask_json, mask_text
from campaign.supervise.hostmessages import Acted, Answered, Done, Failed, Reply, Signed, Skipped


def redacted(reply: Reply, secrets: tuple[str, ...]) -> Reply:
    """``reply`` as it may be kept and shown."""
    if not secrets:
        return reply
    match reply:
        case Failed(error=error):
            return replace(reply, error=mask_text(error, secrets))
        case Skipped(why=why):
            return replace(reply, why=mask_text(why, secrets))
        case Done(lapsed=str(lapsed)):
            return replace(reply, lapsed=mask_text(lapsed, secrets))
        case Acted(notes=str(notes)):
            return replace(reply, notes=mask_text(notes, secrets))
        case Signed(fingerprint=str(fingerprint)):
            return replace(reply, fingerprint=mask_text(fingerprint, secrets))
        case Answered(judgement=judgement):
            return replace(reply, judgement=_redacted(judgement, secrets))
    return reply


def _redacted(judgement: Judgement, secrets: tuple[str, ...]) -> Judgement:
    return replace(
        judgement,
        message=mask_text(judgement.message, secrets),
        stdout=mask_text(judgement.stdout, secrets),
        stderr=mask_text(judgement.stderr, secrets),
        details=mask_json(judgement.details, secrets),
    )
