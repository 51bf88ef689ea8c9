"""`python -m benchmarks.fuzz`: all fuzzers, with the number of cases and the seed on the command line."""

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from benchmarks.fuzz import proxied
from benchmarks.fuzz.campaign import run


def main() -> int:
    """0 when nothing was found that may not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=20_261_120)
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as directory:
        figures = asyncio.run(run(Path(directory), cases=asked.cases, seed=asked.seed))
    for figure in figures:
        print(figure)
        print(*(f"  {problem}" for problem in figure.problems[:20]), sep="\n", end="\n" if figure.problems else "")
    if proxied.NGINX is None:
        print("proxied  skipped: there is no nginx here")
    return 1 if any(figure.problems for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
