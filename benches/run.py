"""Runs the benchmarks: `make bench`, or `python benches/run.py --help`."""

import sys
from pathlib import Path


def start() -> None:
    """Puts the repository's root on the path, so that modules here are `benches.<name>`, and runs the command line.

    The tests' folder is there too: it has the PostgreSQL server that sources are measured on.
    """
    root = Path(__file__).resolve().parents[1]
    sys.path[:1] = [str(root), str(root / "tests")]
    from benches.suite import main

    main()


if __name__ == "__main__":
    start()
