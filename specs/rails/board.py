#!/usr/bin/env python3
"""A board that is simulated: it has no silicon, only two files, and says so.

    vcore   its voltage in mV
    clock   its frequency in MHz
    temp1_input   its temperature, in thousandths of a degree, as sysfs shows one

``board.py --seed N`` reads both rails as they stand now and fails where the voltage is below what the frequency needs:

    least(f) = 600 mV + 0.15 mV/MHz * (f - 1000 MHz), and up to 12 mV more or less, drawn from seed and frequency

So the same seed at the same rails always ends in the same way, and near the boundary some seeds pass and some do not,
as on a bench.  Real boards fail by wrong results, hangs and resets; this one prints a line and exits with 1.
"""

from __future__ import annotations

import argparse
import sys
from hashlib import blake2b
from pathlib import Path

NOISE_MV = 12


def least_mv(frequency_mhz: int, seed: int) -> float:
    """The least voltage at which this board works at a frequency, for this seed."""
    return 600 + 0.15 * (frequency_mhz - 1000) + noise_mv(frequency_mhz, seed)


def noise_mv(frequency_mhz: int, seed: int) -> float:
    """Even from -12 mV to 12 mV, the same for one seed and frequency."""
    drawn = int.from_bytes(blake2b(f"{seed} {frequency_mhz}".encode(), digest_size=8).digest(), "big") / (1 << 64)
    return NOISE_MV * (2 * drawn - 1)


def works(voltage_mv: int, frequency_mhz: int, seed: int) -> bool:
    """The model, whole."""
    return voltage_mv >= least_mv(frequency_mhz, seed)


def main() -> int:
    """Read the rails, and say whether the board works."""
    parser = argparse.ArgumentParser(description="a simulated board, see the first lines of this file")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rails", type=Path, default=Path(__file__).resolve().parent)
    asked = parser.parse_args()
    voltage, frequency = (int((asked.rails / name).read_text()) for name in ("vcore", "clock"))
    margin = voltage - least_mv(frequency, asked.seed)
    print(f"simulated board at {voltage} mV and {frequency} MHz, margin: {margin:.3f} mV")
    if not works(voltage, frequency, asked.seed):
        print("simulated board: a result is wrong: the voltage is too low for this frequency")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
