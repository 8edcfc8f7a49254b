"""Runs the benchmarks: `make bench`, or `python benches/run.py --help`."""

import sys
from pathlib import Path


def start() -> None:
    """Puts the repository's root on the path, so that modules here are `benches.<name>`, and runs the command line."""
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from benches.suite import main

    main()


if __name__ == "__main__":
    start()
