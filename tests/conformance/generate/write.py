"""Writes the generated files of cases: `write.py`. They are committed; a test holds them to what this writes."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conformance.generate import comparisons, depths, fiscal, operands, windows

CASES = Path(__file__).resolve().parents[1] / "cases"


def files() -> dict[Path, str]:
    """Every generated file and its text."""
    return {
        CASES / family.FILE: "".join(json.dumps(case, ensure_ascii=False) + "\n" for case in family.cases())
        for family in (comparisons, depths, fiscal, operands, windows)
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
