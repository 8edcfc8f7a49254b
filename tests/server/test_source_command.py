"""`haversack source` with what people give it by mistake: each is refused by name, with what to do."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from haversack_server.connectors.odata._mapping import read_mapping as read_odata_mapping
from haversack_server.connectors.postgres._mapping import read_mapping as read_postgres_mapping
from haversack_server.errors import MappingInvalid
from server.odata_fixture import OdataFixture, serving
from server.running import RunningServer
from server.test_cli import MISUSED, REFUSED, Line

SECRET = "not to be seen"


@pytest.fixture
def line(server: RunningServer) -> Line:
    return Line(server.settings.data)


@pytest.fixture
def sourced(line: Line) -> Iterator[str]:
    """An organization with an OData service."""
    name = f"source-{uuid.uuid4().hex[:8]}"
    with serving(OdataFixture()) as service:
        line.run("org", "create", name)
        line.run("source", "add", name, "--kind", "odata", "--set", f"url={service.url}")
        yield name


@pytest.mark.parametrize("option", ["--use", "--mapping"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe\x00\x01", "no text in UTF-8"),
        ("entities:\n".encode("utf-16"), "no text in UTF-8"),
        (b"", "is empty"),
        (b" \n\n", "is empty"),
    ],
)
def test_a_mapping_file_that_is_none(
    line: Line, sourced: str, tmp_path: Path, *, option: str, content: bytes, said: str
) -> None:
    file = tmp_path / "m.yaml"
    file.write_bytes(content)
    command = ("map", sourced) if option == "--use" else ("add", sourced)
    shown = " ".join(line.run("source", *command, option, file, expect=MISUSED).stderr.split())
    assert said in shown
    assert "source map" in shown


def test_a_mapping_file_of_a_windows_editor(line: Line, sourced: str, tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_bytes(b"\xef\xbb\xbfothers: true\r\n")
    line.run("source", "map", sourced, "--use", file)
    assert line.json("source", "map", sourced, "--in-force")["mapping"].startswith("others")


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("client_secret=env:EMPTY", "variable EMPTY is empty"),
        ("client_secret=env:BLANK", "variable BLANK is empty"),
        ("client_secret=env:MISSING", "no variable MISSING"),
        ("client_secret=file:/dev/null", "/dev/null is empty"),
        ("client_secret=file:/nowhere", "/nowhere cannot be read"),
        ("client_secret=file:/", "/ cannot be read"),
        (f"client_secret={SECRET}", "NAME=env:VARIABLE or NAME=file:PATH"),
        ("client_secret=file:BINARY", "no text in UTF-8"),
    ],
)
def test_a_secret_that_is_none(
    line: Line, sourced: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, secret: str, said: str
) -> None:
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("BLANK", " \n")
    binary = tmp_path / "secret"
    binary.write_bytes(b"\xff" + SECRET.encode())
    shown = line.run("source", "add", sourced, "--secret", secret.replace("BINARY", str(binary)), expect=MISUSED).stderr
    assert said in " ".join(shown.replace("│", " ").split())
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("setting", "expected", "said"),
    [
        ("entities={}", REFUSED, "must list logical names"),
        ("page_size=NaN", REFUSED, "whole number"),
        ("page_size=" + "[" * 20_000, REFUSED, "whole number"),
        ('client_id="\\ud800"', REFUSED, "surrogates"),
        ("client_id=\udcff", MISUSED, "no text in UTF-8"),
        ("=x", MISUSED, "NAME=VALUE"),
    ],
)
def test_a_setting_that_is_none(line: Line, sourced: str, setting: str, expected: int, said: str) -> None:
    assert said in line.run("source", "add", sourced, "--set", setting, expect=expected).stderr


def test_a_setting_of_null_is_not_set(line: Line, sourced: str) -> None:
    before = line.json("source", "show", sourced)["settings_json"]
    line.run("source", "add", sourced, "--set", "page_size=null")
    assert line.json("source", "show", sourced)["settings_json"] == before


@pytest.mark.parametrize("read", [read_odata_mapping, read_postgres_mapping], ids=["odata", "postgres"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("entities:\n  ? [a]\n  : {b: c}", "line 2: a list or a group stands where a name should be"),
        ("? {a: b}\n: 1", "line 1: a list or a group"),
        ("entities:\n  job: {}\n  job: {}", "line 3: job is there twice"),
        ("entities: " + "[" * 5_000, "line 1: more than 32 lists"),
        ("entities: " + "{a: " * 5_000, "line 1: more than 32 lists"),
        ("entities: &x\n  job: *x", "job"),
        ("entities:\n  1: {2: x, y: z}", "entities.1 has no setting '2'|line 2: '1' is no logical name"),
        ("entities:\n  job: {name: 2020-13-45}", "month must be in 1..12|line 2: job: give it a table"),
        ("entities:\n  job: {ownership: [x]}", "ownership is ['x']|line 2: this should be one value"),
        ("entities:\n  job: false", "entities.job must be settings|line 2: this should be names"),
        ("entities:\n\tjob: {}", "line 2: "),
        ("a: \0", "not YAML"),
        ("a: 1\n---\nb: 2", "line 2: expected a single document"),
        ("x" * 2_000_000, "more than 1 MiB"),
    ],
)
def test_a_mapping_that_is_none(read: object, text: str, said: str) -> None:
    assert callable(read)
    with pytest.raises(MappingInvalid) as invalid:
        read(text)
    assert any(it in str(invalid.value) for it in said.split("|")), invalid.value


@pytest.mark.parametrize("words", [("check", "--json"), ("status", "--json"), ("map",), ("show",)])
def test_a_reader_that_goes_away_sees_no_traceback(
    line: Line, server: RunningServer, sourced: str, words: tuple[str, ...]
) -> None:
    command = [sys.executable, "-c", "from haversack_server.cli import app; app()", "source", words[0], sourced]
    command += [*words[1:], "--data", str(server.settings.data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait() == 1
