"""Every committed case holds, and the runner says so when one does not."""

import json
from pathlib import Path

import pytest
from conformance.reading import Case, read_cases
from conformance.run import KINDS, main

CASES = Path(__file__).with_name("cases")


@pytest.mark.parametrize("path", sorted(CASES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_every_case_holds(path: Path) -> None:
    results = KINDS[path.name.split("-")[0]](read_cases(path))
    assert [str(failure) for failure in results if failure] == []


def inverted(kind: str, case: Case) -> dict[str, object]:
    """The case with a wrong expectation, or, of a hostile one, with a document that is right."""
    wrong: dict[str, object] = json.loads(json.dumps(case))
    if kind == "hostile":
        return {**wrong, "fetchxml": "<filter><condition attribute='name' operator='eq' value='a'/></filter>"}
    rows, stated = ("rows", "expect") if kind == "filters" else ("records", "readable")
    labels = [row["id"] for row in json.loads(json.dumps(wrong[rows]))]
    expected = json.loads(json.dumps(wrong[stated]))
    return {**wrong, stated: [label for label in labels if label not in expected]}


@pytest.mark.parametrize(
    ("kind", "file"),
    [("filters", "filters-people"), ("access", "access-hierarchy"), ("hostile", "hostile-structure")],
)
def test_wrong_expectations_fail(kind: str, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = read_cases(CASES / f"{file}.jsonl")[:20]
    path = tmp_path / "wrong.jsonl"
    path.write_text("".join(json.dumps(inverted(kind, case)) + "\n" for case in cases))
    assert main([kind, str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == [case["id"] for case in cases]
    assert all(": expected " in line and ", got " in line for line in lines[:-1])
    assert lines[-1] == f"0 passed, {len(cases)} failed"


def test_passes_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["filters", str(CASES / "filters-people.jsonl"), str(CASES / "filters-groups.jsonl")]) == 0
    expected = sum(len(read_cases(CASES / f"filters-{name}.jsonl")) for name in ("people", "groups"))
    assert capsys.readouterr().out == f"{expected} passed, 0 failed\n"


@pytest.mark.parametrize("content", [None, "{", "[]", '{"note": "no id"}', "\udcff"])
def test_unreadable_files_are_told_apart(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cases.jsonl"
    if content is not None:
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert main(["filters", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_a_case_that_is_none_fails_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = (CASES / "filters-people.jsonl").read_text().splitlines()[0]
    path = tmp_path / "cases.jsonl"
    path.write_text('{"id": "empty"}\n{"id": "rows", "rows": 7, "expect": []}\n' + good + "\n")
    assert main(["filters", str(path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 2 failed"
