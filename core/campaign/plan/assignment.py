"""The values of one cell or one run: what axes, exclusions and programs pass to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from campaign.units import Value

#: The values of one cell by axis name, or a whole run's settings by name.
Assignment: TypeAlias = Mapping[str, Value]
