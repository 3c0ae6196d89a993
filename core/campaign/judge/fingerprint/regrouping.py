"""What people say of fingerprints in rule sets: that several are one failure, or that one is several."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from campaign.plugins.names import canonical
from campaign.records import Order


def regrouped(fingerprint: str, order: Order) -> str:
    """The fingerprint under which a failure of this run goes: first what is one, then what is told apart."""
    if order.rules is None:
        return fingerprint
    one = order.rules.merged.get(fingerprint, fingerprint)
    names, values = order.rules.split.get(one, ()), _values(order)
    told = [[name, values[name]] for name in names if name in values]
    if not told:  # nothing is told apart by what this run does not have
        return one
    parts = [one, told]
    return blake2b(msgspec.json.encode(parts), digest_size=8).hexdigest()


def _values(order: Order) -> dict[str, object]:
    run = {canonical(name): value for name, value in {**order.settings, **order.axes}.items()}
    return {**run, "instance": order.instance, "cell": order.cell}
