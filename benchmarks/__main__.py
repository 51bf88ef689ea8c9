"""`make bench`: how fast the gateway is beside what is installed of its peers, from one run on this machine.

It fails when an answer or the ledger is wrong, never because something was slow.
"""

import argparse
import sys

from benchmarks import images, text


def main() -> int:
    """Runs the benchmarks; 1 when something was wrong."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument("--quick", action="store_true", help="one short round of each")
    options.add_argument("--rounds", type=int, default=3, help="rounds of each, in turns; the best counts")
    options.add_argument("--seconds", type=float, default=5.0, help="how long one round is")
    chosen = options.parse_args()
    rounds, seconds = (1, 2.0) if chosen.quick else (chosen.rounds, chosen.seconds)
    right = text.compare(rounds=rounds, seconds=seconds)
    print()
    right = images.compare(quick=chosen.quick) and right
    print("\nall answers and the ledger were right" if right else "\nSOMETHING WAS WRONG, see above")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
