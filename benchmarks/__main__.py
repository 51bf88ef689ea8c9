"""`make bench`: how fast the gateway is beside what is installed of its peers, from one run on this machine.

`ARGS="--quick"` runs one short round of each, `ARGS="--only text"` one part. It fails when an answer or the ledger is
wrong, never because something was slow.
"""

import argparse
import sys
from collections.abc import Callable

from benchmarks import growth, images, start, tasks, text


def main() -> int:
    """Runs the benchmarks; 1 when something was wrong."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument("--quick", action="store_true", help="one short round of each")
    options.add_argument("--rounds", type=int, default=3, help="rounds of each, in turns; the best counts")
    options.add_argument("--seconds", type=float, default=5.0, help="how long one round is")
    options.add_argument("--matrix", action="store_true", help="images: every surface with every dialect")
    options.add_argument("--only", choices=("text", "images", "tasks", "growth", "start"), help="one part")
    chosen = options.parse_args()
    quick: bool = chosen.quick
    rounds, seconds = (1, 2.0) if quick else (chosen.rounds, chosen.seconds)
    parts: dict[str, Callable[[], bool]] = {
        "text": lambda: text.compare(rounds=rounds, seconds=seconds),
        "images": lambda: images.compare(quick=quick, matrix=chosen.matrix),
        "tasks": lambda: tasks.compare(quick=quick),
        "growth": lambda: growth.compare(quick=quick, rounds=rounds, seconds=seconds),
        "start": lambda: start.compare(rounds=rounds),
    }
    right = True
    for name, compare in parts.items():
        if chosen.only in (None, name):
            right = compare() and right
            print(flush=True)
    print("all answers and the ledger were right" if right else "SOMETHING WAS WRONG, see above")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
