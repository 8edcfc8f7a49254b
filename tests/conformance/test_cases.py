"""The committed cases: well formed, with a reason each, wide enough, and those that are generated up to date."""

import json
import re
from pathlib import Path

import pytest
from conformance.checking import FAULTS, provenance_faults
from conformance.generate.write import files
from conformance.reading import Case, read_cases

CASES = Path(__file__).with_name("cases")
CONTRACT = Path(__file__).resolve().parents[2] / "proto/haversack/model/v1/filter.proto"
LEAST = {"filters": 450, "access": 100, "hostile": 220}
OPERATORS = 83


def paths(kind: str = "*") -> list[Path]:
    return sorted(CASES.glob(f"{kind}-*.jsonl"))


def kind_of(path: Path) -> str:
    return path.name.split("-")[0]


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
def test_cases_are_well_formed(path: Path) -> None:
    faults = {
        case["id"]: found
        for case in read_cases(path)
        if (found := [*provenance_faults(case), *FAULTS[kind_of(path)](case)])
    }
    assert faults == {}


@pytest.mark.parametrize("kind", LEAST)
def test_there_are_enough_cases_and_each_has_a_name_of_its_own(kind: str) -> None:
    names = [case["id"] for path in paths(kind) for case in read_cases(path)]
    assert sorted({name for name in names if names.count(name) > 1}) == []
    assert len(names) >= LEAST[kind]


def test_every_operator_has_cases() -> None:
    enumeration = re.findall(r"  // (.*)\n  FILTER_OPERATOR_\w+ = [1-9]", CONTRACT.read_text())
    words = [re.match(r"`[a-z-]+`(?:, `[a-z-]+`)*", comment) for comment in enumeration]
    operators = {name for word in words if word for name in re.findall(r"[a-z-]+", word.group())}
    assert len(operators) == OPERATORS
    text = "".join(path.read_text() for path in paths("filters"))
    assert [name for name in sorted(operators) if f"operator='{name}'" not in text] == []


@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_generated_files_are_what_the_scripts_write(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == files()[path], "run tests/conformance/generate/write.py"


BROKEN: dict[str, dict[str, object]] = {
    "filters": {"schema": {"x": "integer"}, "rows": [{"id": "a", "x": "1"}], "fetchxml": "<filter/>", "expect": ["b"]},
    "access": {
        "org": {"businessunits": {"root": None}, "users": {"u": {"bu": "nowhere", "roles": ["r"]}}},
        "table": {"name": "t", "ownership": "UserOwned"},
        "records": [],
        "user": "u",
        "readable": ["x"],
    },
    "hostile": {"category": "x", "expect": "ok"},
}


@pytest.mark.parametrize("kind", BROKEN)
def test_the_check_finds_faults(kind: str) -> None:
    case: Case = json.loads(json.dumps({"id": "x", **BROKEN[kind]}))
    assert len([*provenance_faults(case), *FAULTS[kind](case)]) >= 4
