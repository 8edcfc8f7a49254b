"""The command line, against a real server: what it prints, and its exit codes."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from haversack_server.cli import app
from haversack_server.metadata import standard_documents, standard_names
from server.commands import commands
from server.running import RunningServer
from typer.core import TyperCommand, TyperOption
from typer.testing import CliRunner, Result

USER = "4103c891-37e8-4dfc-aeac-b55e2bc1be1c"
PROFILE = f"""
name: field
users: [{USER}]
items:
  - entity: account
    criteria: RECORD_CRITERIA_CUSTOM
    filter:
      fetch_xml: <filter><condition attribute="statecode" operator="eq" value="0"/></filter>
"""

OK, REFUSED, MISUSED = 0, 1, 2


class Line:
    """The command line of an administrator on the server's machine."""

    def __init__(self, data: Path) -> None:
        self._runner = CliRunner(env={"HAVERSACK_DATA": str(data), "HAVERSACK_LOG_LEVEL": "warning", "COLUMNS": "200"})

    def run(self, *words: str | Path, expect: int = OK) -> Result:
        """Runs a command that must end with this exit code."""
        result = self._runner.invoke(app, [str(word) for word in words])
        assert result.exit_code == expect, (result.output, result.exception)
        return result

    def json(self, *words: str | Path, expect: int = OK) -> Any:
        """Runs a command with --json and returns what it prints."""
        return json.loads(self.run(*words, "--json", expect=expect).stdout)

    def refusal(self, *words: str | Path) -> dict[str, str]:
        """Runs a command with --json that must be refused, and returns the refusal."""
        result = self.run(*words, "--json", expect=REFUSED)
        assert result.stdout == ""
        refusal: dict[str, str] = json.loads(result.stderr)["error"]
        return refusal


@pytest.fixture
def line(server: RunningServer) -> Line:
    return Line(server.settings.data)


@pytest.fixture
def organization(line: Line) -> str:
    """An organization with the shipped metadata."""
    name = f"cli-{uuid.uuid4().hex[:8]}"
    line.run("org", "create", name)
    line.run("entity", "import", "--org", name, "--standard")
    line.run("org", "provision", name, "--consent", "--watch")
    return name


EVERY_COMMAND = list(commands(typer.main.get_command(app)))


def test_the_commands_are_these() -> None:
    assert {" ".join(path) for path, _ in EVERY_COMMAND} >= {
        "serve",
        "token",
        "ingest",
        *(f"org {it}" for it in ("create", "list", "show", "set", "move", "status", "consent")),
        *(f"org {it}" for it in ("provision", "stop", "retry", "deprovision")),
        *(f"entity {it}" for it in ("import", "list", "show", "enable", "disable", "publish")),
        *(f"entity filter {it}" for it in ("set", "clear")),
        *(f"profile {it}" for it in ("list", "show", "history", "save", "clone", "validate", "delete")),
        *(f"profile {it}" for it in ("publish", "unpublish", "rollback", "export", "plan", "apply")),
        *(f"profile member {it}" for it in ("add", "remove")),
        *(f"app {it}" for it in ("list", "show", "save", "enable", "disable", "delete", "publish")),
        *(f"ask {it}" for it in ("estimate", "diff", "explain", "holders", "lint")),
        "schema export",
        *(f"solution {it}" for it in ("export", "import")),
        *(f"user {it}" for it in ("list", "show", "add", "set", "disable", "enable")),
        *(f"team {it}" for it in ("list", "show", "add", "set", "delete", "join", "leave")),
        *(f"{tree} {it}" for tree in ("unit", "position") for it in ("list", "add", "set", "delete")),
        *(f"role {it}" for it in ("list", "show", "add", "set", "grant", "delete", "assign", "revoke")),
        *(f"share {it}" for it in ("list", "add", "remove")),
    }


@pytest.mark.parametrize(("path", "command"), EVERY_COMMAND, ids=[" ".join(path) for path, _ in EVERY_COMMAND])
def test_every_command_has_help_with_an_example_and_prints_json(path: tuple[str, ...], command: TyperCommand) -> None:
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*path, "--help"]).output
    assert f"Example: haversack {' '.join(path)}" in shown
    assert command.help
    assert "--json" in shown or path == ("demo",), "only the demo is for people alone"
    assert all(parameter.help for parameter in command.params if isinstance(parameter, TyperOption))


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from haversack_server.cli import app;"
        "assert CliRunner().invoke(app, ['serve', '--help']).exit_code == 0;"
        "print([it for it in ('grpc', 'sqlalchemy', 'alembic', 'google.protobuf', 'joserfc') if it in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout.strip() == "[]"


def test_rules_are_set_one_by_one(line: Line) -> None:
    name = f"rules-{uuid.uuid4().hex[:8]}"
    made = line.json(
        "org", "create", name, "--week-start", "monday", "--fiscal-start", "04-06", "--hierarchy-depth", "2"
    )
    assert (made["settings"]["fiscal"]["start_month"], made["settings"]["fiscal"]["start_day"]) == (4, 6)
    assert made["settings"]["hierarchy_security"]["depth"] == 2
    excluded = ("--hierarchy-excludes", "lead", "--hierarchy-excludes", "task")
    more = ("--hierarchy", "manager", *excluded, "--fiscal-period", "four-week", "--null-never-matches")
    settings = line.json("org", "set", name, *more)["settings"]
    assert settings["week_start"] == 1, "what is not given stays"
    assert settings["fiscal"] == {"start_month": 4, "start_day": 6, "period": "FISCAL_PERIOD_FOUR_WEEK"}
    security = {"model": "HIERARCHY_MODEL_MANAGER", "depth": 2, "excluded_entities": ["lead", "task"]}
    assert settings["hierarchy_security"] == security
    assert settings["null_never_matches"] is True
    settings = line.json("org", "set", name, "--hierarchy", "off", "--null-matches-negation")["settings"]
    assert settings["hierarchy_security"]["model"] == "HIERARCHY_MODEL_UNSPECIFIED"
    assert settings["null_never_matches"] is False
    assert "monday" in line.run("org", "show", name).stdout
    assert line.run("org", "set", name, "--fiscal-start", "April", expect=MISUSED).output
    assert "start_day is 40" in line.refusal("org", "set", name, "--fiscal-start", "04-40")["message"]


def test_the_whole_way_from_nothing_to_a_publish(line: Line, tmp_path: Path) -> None:
    name = f"way-{uuid.uuid4().hex[:8]}"
    made = line.json("org", "create", name, "--time-zone", "Europe/Vienna", "--collation", "CI_AS")
    assert (made["name"], made["settings"]["collation"]) == (name, "COLLATION_CI_AS")
    assert line.json("entity", "import", "--org", name, "--standard")["added"] == standard_names()
    assert line.json("org", "provision", name, "--consent")["state"] == "PROVISIONING_STATE_PROVISIONING"
    line.run("org", "status", name, "--watch")
    assert line.json("entity", "enable", "account", "--org", name, "--no-filter")["offline"] is True
    assert "account" in [it["logical_name"] for it in line.json("entity", "list", "--org", name, "--offline")]

    rows = tmp_path / "accounts.csv.gz"
    rows.write_bytes(gzip.compress(f"accountid,name,statecode\n{USER},Somebody,0\n".encode()))
    [report] = line.json("ingest", rows, "--org", name, "--entity", "account")
    assert (report["read"], report["inserted"], report["rejected"]) == ("1", "1", "0")

    draft = tmp_path / "field.yaml"
    draft.write_text(PROFILE)
    assert line.json("profile", "save", draft, "--org", name)["summary"]["changed"] is True
    published = line.json("profile", "publish", "field", "--org", name, "--yes")
    assert (published["profile_revision"], published["revision"]) == ("1", "1")
    assert line.json("profile", "show", "field", "--org", name)["summary"]["changed"] is False
    assert [it["name"] for it in line.json("profile", "list", "--org", name)] == ["field"]
    shown = line.json("org", "show", name)
    assert (shown["revision"], shown["rows"][0]["entity"], shown["rows"][0]["rows"]) == ("1", "account", "1")
    assert name in [it["name"] for it in line.json("org", "list")]


def test_people_read_tables(line: Line, organization: str, tmp_path: Path) -> None:
    assert organization in line.run("org", "list").output
    assert "nothing is published yet" in line.run("org", "show", organization).output
    assert "enabled for offline use" in line.run("entity", "enable", "account", "--org", organization).output
    assert re.search(r"account\s.*\d+\s.*user\s.*yes", line.run("entity", "list", "--org", organization).output)
    shown = line.run("entity", "show", "contact", "--org", organization).output
    assert "contact.parentcustomerid -> account" in shown
    draft = tmp_path / "field.yaml"
    draft.write_text(PROFILE)
    assert "saved field" in line.run("profile", "save", draft, "--org", organization).output
    yaml = line.run("profile", "show", "field", "--org", organization).output
    draft.write_text(yaml)
    line.run("profile", "save", draft, "--org", organization)
    assert line.run("profile", "show", "field", "--org", organization).output == yaml
    assert "organization revision 1" in line.run("profile", "publish", "field", "--org", organization, "--yes").output
    assert "as published" in line.run("profile", "list", "--org", organization).output
    assert "disabled" in line.run("entity", "disable", "lead", "--org", organization).output
    for output in (shown, yaml):
        assert "\x1b[" not in output


def test_refused_rows_are_listed_and_end_with_one(line: Line, organization: str, tmp_path: Path) -> None:
    rows = tmp_path / "accounts.csv"
    rows.write_text(f"accountid,revenue\n{USER},much\n")
    result = line.run("ingest", rows, "--org", organization, "--entity", "account", expect=REFUSED)
    assert re.search(r"accounts\.csv.*2.*revenue", result.output)
    [report] = line.json("ingest", rows, "--org", organization, "--entity", "account", expect=REFUSED)
    assert [it["attribute"] for it in report["errors"]] == ["revenue"]


def test_rows_are_patched_and_deleted(line: Line, organization: str, tmp_path: Path) -> None:
    rows = tmp_path / "accounts.jsonl"
    rows.write_text(json.dumps({"accountid": USER, "name": "One"}) + "\n")
    words = ("ingest", rows, "--org", organization, "--entity", "account")
    assert line.json(*words)[0]["inserted"] == "1"
    rows.write_text(json.dumps({"accountid": USER, "name": "Two"}) + "\n")
    assert line.json(*words, "--patch", "--atomic")[0]["updated"] == "1"
    assert line.json(*words, "--delete")[0]["deleted"] == "1"


def test_refusals_have_their_reason(line: Line, organization: str, tmp_path: Path) -> None:
    refusal = line.refusal("org", "show", "nobody")
    assert refusal["reason"] == "ORGANIZATION_UNKNOWN"
    assert "nobody" in refusal["message"]
    assert line.refusal("org", "create", "No Good")["reason"] == "REQUEST_INVALID"
    draft = tmp_path / "field.yaml"
    draft.write_text(PROFILE)
    line.run("entity", "disable", "account", "--org", organization)
    assert line.refusal("profile", "save", draft, "--org", organization)["reason"] == "PROFILE_INVALID"
    assert line.refusal("org", "list", "--token", "nonsense")["reason"] == "TOKEN_INVALID"
    assert line.refusal("org", "list", "--admin", "127.0.0.1:1")["reason"] == "UNAVAILABLE"
    shown = line.run("org", "show", "nobody", expect=REFUSED).stderr
    assert shown.startswith("ORGANIZATION_UNKNOWN: ")


@pytest.mark.parametrize(
    "words",
    [
        ("org",),
        ("org", "create"),
        ("org", "sing"),
        ("entity", "import", "--org", "acme"),
        ("ingest", "no-such-file.csv", "--org", "acme", "--entity", "account"),
        ("token",),
        ("token", "--org", "acme", "--user", "nobody"),
        ("token", "--user", USER),
    ],
)
def test_misuse_ends_with_two(words: Sequence[str], line: Line) -> None:
    line.run(*words, expect=MISUSED)


def test_files_that_cannot_be_read_end_with_two(line: Line, tmp_path: Path) -> None:
    strange = tmp_path / "rows.txt"
    strange.write_text("x")
    line.run("ingest", strange, "--org", "acme", "--entity", "account", expect=MISUSED)
    line.run("ingest", strange, "--org", "acme", "--entity", "account", "--patch", "--delete", expect=MISUSED)
    for content in ("- a", "{", "name: [1]", "sings: true"):
        strange.write_text(content)
        line.run("profile", "save", strange, "--org", "acme", expect=MISUSED)


def test_metadata_files_are_imported(line: Line, tmp_path: Path) -> None:
    name = f"files-{uuid.uuid4().hex[:8]}"
    line.run("org", "create", name)
    files = []
    for entity, content in standard_documents()[:2]:
        files.append(tmp_path / f"{entity}.json")
        files[-1].write_bytes(content)
    assert line.json("entity", "import", "--org", name, *files)["added"] == standard_names()[:2]


def test_a_filter_comes_from_a_file_too(line: Line, organization: str, tmp_path: Path) -> None:
    xml = '<filter><condition attribute="statecode" operator="eq" value="0"/></filter>'
    file = tmp_path / "filter.xml"
    file.write_text(xml)
    enabled = line.json("entity", "enable", "account", "--org", organization, "--filter-file", file)
    assert enabled["organization_filter"]["fetch_xml"] == xml
    line.run("entity", "enable", "lead", "--org", organization, "--filter", xml)
    line.run("entity", "enable", "lead", "--org", organization, "--filter", xml, "--filter-file", file, expect=MISUSED)


def test_row_messages_are_exported(line: Line, organization: str, tmp_path: Path) -> None:
    line.run("entity", "enable", "account", "--org", organization)
    source = line.run("schema", "export", "--org", organization).stdout
    assert 'syntax = "proto3";' in source
    assert re.search(r"string name = \d+;", source)
    output = tmp_path / "rows.proto"
    answer = line.json("schema", "export", "contact", "--org", organization, "--output", output)
    assert (answer["entities"], answer["proto"]) == (["contact"], output.read_text())
    assert answer["proto"] != source


def test_tokens_are_made_for_devices_and_administrators(tmp_path: Path) -> None:
    line = Line(tmp_path)
    device = line.json("token", "--user", USER.upper(), "--org", "acme", "--hours", "2")
    assert device["audience"] == "haversack-sync"
    assert line.json("token", "--admin")["audience"] == "haversack-admin"
    key = tmp_path / "keys" / "development-issuer.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    assert line.run("token", "--user", USER, "--org", "acme").output.count(".") == 2
    assert key.read_bytes() == before


@contextmanager
def serving(data: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Runs `haversack serve` as a process of its own; yields it and what it printed."""
    command = [sys.executable, "-c", "from haversack_server.cli import app; app()", "serve", "--dev", "--json"]
    command += ["--admin", "127.0.0.1:0", "--sync", "127.0.0.1:0", "--metrics", "off"]
    command += ["--data", str(data), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            printed = ""
            while not printed.rstrip().endswith("}"):
                read = process.stdout.readline()
                assert read, process.communicate()[1]
                printed += read
            yield process, json.loads(printed)
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_says_where_it_listens_and_stops_when_told_to(number: int, tmp_path: Path) -> None:
    line = Line(tmp_path)
    with serving(tmp_path) as (process, endpoints):
        line.run("org", "create", "acme")
        assert line.json("org", "list", "--admin", endpoints["admin"])[0]["name"] == "acme"
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
    assert line.refusal("org", "list")["reason"] == "UNAVAILABLE"


def test_serve_goes_on_after_being_killed(tmp_path: Path) -> None:
    line = Line(tmp_path)
    for round_ in range(2):
        with serving(tmp_path) as (process, _):
            line.run("org", "create", f"acme-{round_}")
            assert len(line.json("org", "list")) == round_ + 1
            process.kill()


def test_serve_refuses_an_address_that_is_taken(server: RunningServer, tmp_path: Path) -> None:
    taken = server.settings.admin_listen
    result = Line(tmp_path).run("serve", "--dev", "--admin", taken, "--sync", "127.0.0.1:0", expect=REFUSED)
    assert f"cannot listen on {taken}" in result.stderr


def test_serve_refuses_a_catalog_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(tmp_path)
    words = ("serve", "--dev", "--admin", "127.0.0.1:0", "--sync", "127.0.0.1:0", "--metrics", "off")
    for url, why in (
        ("sqlite:////no/such/folder/catalog.sqlite3", "the catalog could not be opened: unable to open database file"),
        ("nonsense", "HAVERSACK_DATABASE is no URL; write postgresql://"),
        ("mysql://nowhere", "no catalog can be kept in mysql"),
    ):
        monkeypatch.setenv("HAVERSACK_DATABASE", url)
        assert why in line.run(*words, expect=REFUSED).stderr
    (tmp_path / "file").write_text("x")
    assert "cannot be used" in line.run(*words, "--data", tmp_path / "file" / "folder", expect=REFUSED).stderr
