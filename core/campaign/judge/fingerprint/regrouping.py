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
    names = order.rules.split.get(one, ())
    if not names:
        return one
    values = _values(order)
    parts = [one, [[name, values.get(name)] for name in names]]
    return blake2b(msgspec.json.encode(parts), digest_size=8).hexdigest()


def _values(order: Order) -> dict[str, object]:
    run = {canonical(name): value for name, value in {**order.settings, **order.axes}.items()}
    return {**run, "instance": order.instance, "cell": order.cell}
