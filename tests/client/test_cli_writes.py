"""Commands that write and mend, as their users run them; and the dashboard."""

import io
import json
import re
import shlex
from pathlib import Path
from uuid import UUID

import pytest
from client.memory_server import MemoryServer
from client.test_cli import run
from client.test_writes import FORBIDDEN, NORTH, QUICK, SITE, VISIT
from haversack_client import Device, RowsChanged
from haversack_client._dashboard import Dashboard
from haversack_client._outbox_commands import COMMANDS
from haversack_client.cli import Exit
from rich.console import Console

COLUMNS = {"COLUMNS": "200"}


@pytest.fixture
def server() -> MemoryServer:
    server = MemoryServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North", kind=1)
    return server


@pytest.fixture
def db(tmp_path: Path, server: MemoryServer) -> Path:
    path = tmp_path / "device.sqlite3"
    with Device(path, server, backoff=QUICK) as device:
        device.sync()
    return path


def sync(db: Path, server: MemoryServer) -> None:
    with Device(db, server, backoff=QUICK) as device:
        device.sync()


def test_a_row_is_made_changed_found_and_deleted(db: Path) -> None:
    made = run(
        "create", "--db", str(db), "site", "name=South", "budget=12.50", "kind=2", "open=true", "tags=[1,3]", "--json"
    )
    row_id = json.loads(made.stdout)["id"]
    assert run("update", "--db", str(db), "site", row_id, "name=Souther", "kind=").exit_code == 0
    condition = "<condition attribute='open' operator='eq' value='1'/>"
    query = f"<fetch><entity name='site'><filter>{condition}</filter></entity></fetch>"
    (row,) = [json.loads(line) for line in run("fetch", "--db", str(db), query, "--json").stdout.splitlines()]
    assert (row["name"], row["budget"], row["kind"], row["tags"]) == ("Souther", "12.5", None, "[1,3]")
    assert "Souther" in run("fetch", "--db", str(db), query).stdout
    assert run("delete", "--db", str(db), "site", row_id).exit_code == 0
    writes = [json.loads(line) for line in run("outbox", "--db", str(db), "--json").stdout.splitlines()]
    assert [write["kind"] for write in writes] == ["create", "update", "delete"]
    assert "3 writes" in run("outbox", "--db", str(db), environment=COLUMNS).stdout
    assert "waiting" in run("status", "--db", str(db), environment=COLUMNS).stdout


def test_a_query_from_a_file(db: Path, tmp_path: Path) -> None:
    (tmp_path / "query.xml").write_text("<fetch><entity name='site'><attribute name='name'/></entity></fetch>")
    assert "North" in run("fetch", "--db", str(db), f"@{tmp_path / 'query.xml'}").stdout
    assert run("fetch", "--db", str(db), "@nowhere.xml").exit_code == 2


def test_what_was_refused_is_mended(db: Path, server: MemoryServer) -> None:
    server.judge = lambda _: FORBIDDEN
    assert run("update", "--db", str(db), "site", str(NORTH), "name=One").exit_code == 0
    assert run("update", "--db", str(db), "site", str(NORTH), "kind=2").exit_code == 0
    sync(db, server)
    shown = run("outbox", "--db", str(db), "--refused", environment=COLUMNS).stdout
    assert "TOKEN_NOT_ALLOWED" in shown
    assert "2 writes were refused" in run("status", "--db", str(db), environment=COLUMNS).stdout
    server.judge = lambda _: None
    assert run("retry", "--db", str(db), "1", "name=Two").stdout == "3\n"
    assert run("discard", "--db", str(db), "2").exit_code == 0
    sync(db, server)
    assert server.rows[SITE.number][NORTH.bytes].fields == {1: NORTH.bytes, 2: "Two", 4: 1}


def test_many_are_mended_at_once(db: Path, server: MemoryServer) -> None:
    server.judge = lambda _: FORBIDDEN
    north, south = str(NORTH), "22222222-2222-4222-8222-222222222222"
    for arguments in (["update", north, "name=One"], ["create", f"siteid={south}", "name=South"], ["delete", north]):
        run(arguments[0], "--db", str(db), "site", *arguments[1:])
    sync(db, server)
    server.put(SITE, UUID(south).bytes, name="Theirs")
    sync(db, server)
    retried = run("retry", "--db", str(db), "--all")
    assert (retried.stdout, retried.exit_code) == ("2 of 3\n", Exit.FAILED)
    assert "update it instead" in retried.stderr
    sync(db, server)
    assert run("discard", "--db", str(db), "4", "99").exit_code == Exit.FAILED
    assert run("discard", "--db", str(db), "2", "4", "--json").stdout == '{"discarded": "2 4"}\n'
    assert run("discard", "--db", str(db), "--all").stdout == "5\n"
    assert run("outbox", "--db", str(db), "--json").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["create", "site", "kind=1"], Exit.FAILED, "VALUE_INVALID"),
        (["create", "site", "name=x", "kind=one"], Exit.FAILED, "VALUE_INVALID"),
        (["update", "site", "nowhere", "name=x"], Exit.FAILED, "ROW_UNKNOWN"),
        (["fetch", "<fetch/>"], Exit.FAILED, "FILTER_MALFORMED"),
        (["retry", "7"], Exit.FAILED, ""),
        (["retry", str(10**30)], 2, ""),
        (["discard", str(10**30)], 2, ""),
        (["retry"], 2, ""),
        (["discard", "7", "--all"], 2, ""),
        (["create", "site", "name"], 2, ""),
    ],
)
def test_what_cannot_be_done_says_why(db: Path, arguments: list[str], status: int, reason: str) -> None:
    command, *rest = arguments
    result = run(command, "--db", str(db), *rest, "--json")
    assert result.exit_code == status
    if reason:
        assert json.loads(result.stderr)["error"]["reason"] == reason


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_examples_can_be_run(db: Path, server: MemoryServer, command: object) -> None:
    """As far as their names go: the database of the examples is another one."""
    example = (command.__doc__ or "").split("Example: ")[1].strip()
    program, name, *arguments = shlex.split(example)
    assert (program, name) == ("haversack-device", getattr(command, "__name__", ""))
    at = arguments.index("--db") + 1
    result = run(name, *[str(db) if position == at else each for position, each in enumerate(arguments)])
    assert result.exit_code in (0, Exit.FAILED), result.stderr


def test_the_dashboard_says_how_things_are(db: Path, server: MemoryServer) -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with Device(db, server, backoff=QUICK) as device:
        server.judge = lambda _: FORBIDDEN
        device.update("site", NORTH, {"name": "x"})
        with Dashboard(device, console) as dashboard:
            device.sync()
            device.update("site", NORTH, {"kind": 2})
            dashboard.take(RowsChanged("site", 1, 0))
            with console.capture() as capture:
                console.print(dashboard._draw())
    screen = capture.get()
    for word in ("warning", "1 writes wait", "1 were refused", "7 ready", "site", "as the test says", "1 written"):
        assert word in screen


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "bytes").write_bytes(bytes(range(256)))
    (folder / "empty").touch()
    (folder / "long").write_text("x" * (2 << 20))
    (folder / "lines").write_text("two\nlines")
    return folder


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("status --key-file {odd}/bytes", "not UTF-8 text"),
        ("status --key-file {odd}/long", "more than 65536 bytes"),
        ("status --key-file {odd}", "Is a directory"),
        ("fetch @{odd}/bytes", "not UTF-8 text"),
        ("fetch @{odd}/long", "more than 1048576 bytes"),
        ("fetch @{odd}/none", "No such file"),
        ("query 'SELECT 1; SELECT 2'", "one statement"),
        ("query 'SELECT \udcff'", "one statement"),
        ("query 'SELECT 1 \0'", "null character"),
        ("retry 99999999999999999999", "less than or equal"),
        ("discard 0", "greater than or equal"),
        ("sync --endpoint localhost:1 --token-file {odd}/bytes", "not UTF-8 text"),
        ("sync --endpoint localhost:1 --token-file {odd}/empty", "is empty"),
        ("sync --endpoint localhost:1 --token-file {odd}/lines", "no bearer token"),
        ("sync --endpoint localhost:1 --token é", "no bearer token"),
        ("sync --endpoint \udcff --token t", "not UTF-8"),
        ("watch --endpoint localhost:1 --token t --app \udcff", "not UTF-8"),
    ],
)
def test_odd_input_is_answered_with_advice(db: Path, odd: Path, command: str, says: str) -> None:
    name, *arguments = shlex.split(command.format(odd=odd))
    result = run(name, "--db", str(db), *arguments, environment=COLUMNS)
    assert result.exit_code in (1, 2)
    assert says in " ".join(re.split(r"[\s│]+", result.output))


@pytest.mark.parametrize("value", ["tags=" + "[" * 100_000, "tags=[" + "1" * 5_000 + "]", "kind=" + "9" * 5_000])
def test_values_that_are_none_are_refused(db: Path, value: str) -> None:
    result = run("create", "--db", str(db), "site", value, "--json")
    assert (result.exit_code, json.loads(result.stderr)["error"]["reason"]) == (Exit.FAILED, "VALUE_INVALID")
