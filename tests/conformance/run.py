"""Runs conformance cases through the real engine: `run.py KIND FILE...`, KIND being filters, access or hostile.

Prints a line for each failing case and how many passed and failed. Exit status: 0 if none failed, 1 if some did, 2 if
a file cannot be read. It expects nothing by itself: every expectation is in the files.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conformance import access_cases, filter_cases, hostile_cases
from conformance.reading import Case, Failure, Unreadable, read_cases

FAILED, UNREADABLE = 1, 2

Results = Iterator[Failure | None]


def filters(cases: list[Case]) -> Results:
    """One result a case."""
    return map(filter_cases.check, cases)


def access(cases: list[Case]) -> Results:
    """One result a case."""
    return map(access_cases.check, cases)


def hostile(cases: list[Case]) -> Results:
    """One result a case."""
    with hostile_cases.Refusals(hostile_cases.entity_of(cases)) as refusals:
        yield from map(refusals.check, cases)


KINDS: dict[str, Callable[[list[Case]], Results]] = {"filters": filters, "access": access, "hostile": hostile}


def main(arguments: list[str]) -> int:
    """Runs the files; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("files", nargs="+", type=Path, metavar="file")
    chosen = parser.parse_args(arguments)
    try:
        files = [read_cases(file) for file in chosen.files]
    except Unreadable as error:
        print(error, file=sys.stderr)
        return UNREADABLE
    passed = failed = 0
    for cases in files:
        for failure in KINDS[chosen.kind](cases):
            if failure is None:
                passed += 1
            else:
                failed += 1
                print(failure, flush=True)
    print(f"{passed} passed, {failed} failed")
    return FAILED if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
