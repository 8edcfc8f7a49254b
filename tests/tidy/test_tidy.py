"""Style and docs are tests: sizes, names, leftovers, links, and what the documents promise."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
REPOSITORY_BYTES_MAX = 20 * 1024 * 1024
DRAWERS = re.compile(r"(^|/)(utils?|common|helpers?|misc|manager)(\.|/)")
LEFTOVERS = re.compile(
    r"\b(TODO|FIXME|XXX|NotImplementedError)\b|todo!\(|unimplemented!\(|mark\.(skip|xfail)|#\[ignore"
)
GENERATED = ("proto/python/src/", "proto/rust/src/generated/")


def tracked(*suffixes: str) -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    names = [name for name in listing.stdout.splitlines() if not name.startswith(GENERATED)]
    paths = [ROOT / name for name in names if not suffixes or name.endswith(suffixes)]
    return [path for path in paths if path.is_file()]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_file_is_longer_than_the_limit() -> None:
    long = {
        relative(path): lines
        for path in tracked(".rs", ".py", ".proto", ".pyi")
        if (lines := path.read_text().count("\n")) > FILE_LINES_MAX
    }
    assert not long, "name the concepts inside and give each its own file"


def python_functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def rust_functions(path: Path) -> Iterator[tuple[str, int]]:
    """Functions by indentation, which rustfmt guarantees: from `fn` to the closing brace at its own column."""
    name, column, start = "", 0, 0
    for number, line in enumerate(path.read_text().splitlines()):
        opening = re.match(r"(\s*)(?:pub(?:\([a-z]+\))? )?(?:const |async |unsafe )*fn (\w+)", line)
        if opening:
            name, column, start = opening.group(2), len(opening.group(1)), number
        elif name and line == " " * column + "}":
            yield name, number - start + 1
            name = ""


def test_no_function_is_longer_than_the_limit() -> None:
    found = [
        (f"{relative(path)}:{name}", lines)
        for suffix, functions in ((".py", python_functions), (".rs", rust_functions))
        for path in tracked(suffix)
        for name, lines in functions(path)
    ]
    assert len(found) > 100, "the reader of functions finds functions"
    assert [(name, lines) for name, lines in found if lines > FUNCTION_LINES_MAX] == []


def test_no_drawer_that_takes_everything() -> None:
    assert [relative(path) for path in tracked() if DRAWERS.search(relative(path))] == []


def test_nothing_is_left_unfinished() -> None:
    here = Path(__file__).resolve()
    found = [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in tracked(".rs", ".py")
        if path != here
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if LEFTOVERS.search(line)
    ]
    assert found == []


def test_every_source_file_says_what_it_is() -> None:
    silent = [
        relative(path)
        for path in tracked(".rs", ".py")
        if path.stat().st_size and not path.read_text().lstrip().startswith(("//!", '"""', "#!"))
    ]
    assert silent == []


def test_the_repository_stays_small() -> None:
    assert sum(path.stat().st_size for path in tracked()) < REPOSITORY_BYTES_MAX


@pytest.mark.parametrize("document", tracked(".md"), ids=relative)
def test_links_in_documents_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_the_readme_names_only_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert {"demo", "test"} <= named
    assert [target for target in named if f"\n{target}:" not in makefile] == []


def test_the_benchmarks_start_by_themselves() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(ROOT / "benches" / "run.py"), "--help"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_every_error_reason_says_its_code() -> None:
    contract = (ROOT / "proto/haversack/error/v1/error.proto").read_text()
    reasons = re.findall(r"  // ([^\n]*)\n(?:  //[^\n]*\n)*  ERROR_REASON_(\w+) = \d+;", contract)
    assert len(reasons) > 30
    silent = [name for comment, name in reasons if name != "UNSPECIFIED" and not re.match(r"[A-Z_]+: ", comment)]
    assert silent == []


def test_the_glossary_has_every_word_of_the_protocol() -> None:
    glossary = (ROOT / "docs/glossary.md").read_text().lower()
    words = ["epoch", "cookie", "checkpoint", "holdings", "inventory", "fingerprint", "marker", "floor", "digest"]
    assert [word for word in words if f"| {word}" not in glossary and f", {word}" not in glossary] == []


def test_members_of_the_workspace_have_one_version() -> None:
    versions = {
        relative(path): re.search(r'^version = "([^"]+)"', path.read_text(), re.M)
        for path in [
            ROOT / "Cargo.toml",
            ROOT / "pyproject.toml",
            ROOT / "client_sdk/pyproject.toml",
            ROOT / "proto/python/pyproject.toml",
        ]
    }
    assert len({found.group(1) for found in versions.values() if found}) == 1
    assert all(versions.values())
