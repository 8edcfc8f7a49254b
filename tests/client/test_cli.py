"""`haversack-device` as its users run it: a process, its output, its exit status."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from client.scripted_server import Action, Fail, Hang, ScriptedServer
from client.wire import ACCOUNT, CONTACT, batch, checkpoint, model, plan, with_cookie
from haversack.sync.v1 import sync_pb2
from haversack_client.cli import Exit, app
from typer.testing import CliRunner, Result

Code = grpc.StatusCode
ROWS = {ordinal: 10 + ordinal for ordinal in range(20)}
COMMAND = [sys.executable, "-c", "from haversack_client.cli import app; app()"]


def first_sync() -> list[sync_pb2.SyncEvent]:
    return [
        sync_pb2.SyncEvent(model=model(CONTACT, ACCOUNT)),
        plan({ACCOUNT: len(ROWS)}),
        batch(ACCOUNT, ROWS),
        checkpoint({CONTACT: {}, ACCOUNT: ROWS}),
    ]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "device.sqlite3"


def run(*arguments: str, environment: dict[str, str] | None = None) -> Result:
    cleared = {"HAVERSACK_DB": "", "HAVERSACK_ENDPOINT": "", "HAVERSACK_TOKEN": "", "COLUMNS": "120"}
    return CliRunner().invoke(app, arguments, env=cleared | (environment or {}))


def run_sync(db: Path, server: ScriptedServer, *arguments: str) -> Result:
    return run("sync", "--db", str(db), "--endpoint", server.endpoint, "--token", "secret", *arguments)


@pytest.fixture
def synced(db: Path) -> Path:
    with ScriptedServer([first_sync()]) as server:
        assert run_sync(db, server).exit_code == 0
    return db


def test_sync_for_people(db: Path) -> None:
    with ScriptedServer([first_sync()]) as server:
        result = run_sync(db, server)
    assert result.exit_code == 0
    assert "account" in result.stdout
    assert "checkpoint at LSN 100, revision 1, 2023-11-14 22:13:20+00:00" in result.stdout


def test_sync_for_programs(db: Path) -> None:
    with ScriptedServer([first_sync()]) as server:
        result = run_sync(db, server, "--json")
    document = json.loads(result.stdout)
    assert (document["complete"], document["rows"]) == (True, len(ROWS))
    assert document["checkpoint"] == {"lsn": 100, "revision": 1, "instant_us": 1_700_000_000_000_000}
    assert document["entities"][0]["name"] == "account"


def test_settings_come_from_the_environment_and_the_token_from_a_file(db: Path, tmp_path: Path) -> None:
    token = tmp_path / "token.txt"
    token.write_text("from the file\n")
    with ScriptedServer([first_sync()]) as server:
        environment = {"HAVERSACK_DB": str(db), "HAVERSACK_ENDPOINT": server.endpoint, "HAVERSACK_TOKEN": "unused"}
        assert run("sync", environment=environment).exit_code == 0
        assert run("sync", "--token-file", str(token), environment=environment).exit_code == 0
        assert server.tokens == ["Bearer unused", "Bearer from the file"]


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ([Fail(Code.UNAUTHENTICATED, "TOKEN_INVALID")], Exit.REFUSED),
        ([Fail(Code.PERMISSION_DENIED, "USER_UNKNOWN")], Exit.REFUSED),
        ([Fail(Code.UNAVAILABLE, "SERVER_BEHIND", 0.001)], Exit.UNAVAILABLE),
        ([Fail(Code.FAILED_PRECONDITION, "NOTHING_PUBLISHED")], Exit.FAILED),
        ([*first_sync()[:-1], checkpoint({CONTACT: {}, ACCOUNT: {}})], Exit.DISAGREES),
        ([*first_sync()[:-1], sync_pb2.SyncEvent(pass_complete=sync_pb2.PassComplete())], Exit.INCOMPLETE),
    ],
)
def test_exit_status_of_sync(db: Path, script: Sequence[Action], status: Exit) -> None:
    with ScriptedServer([script]) as server:
        assert run_sync(db, server).exit_code == status
        result = run_sync(db, server, "--json")
    assert result.exit_code == status
    if status is Exit.INCOMPLETE:
        assert json.loads(result.stdout)["complete"] is False
        return
    error = json.loads(result.stderr)["error"]
    assert error["message"]
    if isinstance(script[0], Fail):
        assert error["reason"] == script[0].reason


@pytest.mark.parametrize(
    "arguments",
    [
        ["sync"],
        ["sync", "--db", "x.sqlite3", "--endpoint", "localhost:1"],
        ["sync", "--db", "x.sqlite3", "--endpoint", "ftp://localhost", "--token", "t"],
        ["sync", "--db", "x.sqlite3", "--endpoint", "localhost:1", "--token", "t", "--ca-file", "none.pem"],
        ["status"],
        ["query", "--db", "x.sqlite3"],
        ["unknown"],
    ],
)
def test_wrong_usage(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_status(synced: Path) -> None:
    text = run("status", "--db", str(synced), "--verify")
    assert text.exit_code == 0
    assert "7 of 7, ready" in text.stdout
    document = json.loads(run("status", "--db", str(synced), "--verify", "--json").stdout)
    assert (document["rows"], document["verified"], document["stage"]) == (len(ROWS), True, 7)
    assert [(it["name"], it["rows"], it["verified"]) for it in document["entities"]] == [
        ("contact", 0, True),
        ("account", len(ROWS), True),
    ]


def test_status_finds_damage(synced: Path) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(synced)) as connection, connection:
        connection.execute("DELETE FROM account WHERE _ordinal = 3")
    assert run("status", "--db", str(synced)).exit_code == 0
    result = run("status", "--db", str(synced), "--verify")
    assert result.exit_code == Exit.DISAGREES
    assert "NO" in result.stdout


@pytest.mark.parametrize("command", [["status"], ["query", "SELECT 1"]])
def test_no_database(command: list[str], db: Path) -> None:
    result = run(*command, "--db", str(db))
    assert result.exit_code == Exit.FAILED
    assert str(db) in result.stderr
    assert not db.exists()


def test_query(synced: Path) -> None:
    text = run("query", "--db", str(synced), "SELECT name, '[bold]x' AS markup, NULL FROM account LIMIT 1")
    assert text.exit_code == 0
    assert "[bold]x" in text.stdout
    lines = run("query", "--db", str(synced), "--json", "SELECT _ordinal, name, revenue FROM account").stdout
    rows = [json.loads(line) for line in lines.splitlines()]
    assert rows[3] == {"_ordinal": 3, "name": "v13", "revenue": None}
    assert len(rows) == len(ROWS)


@pytest.mark.parametrize("sql", ["DELETE FROM account", "nonsense", "SELECT nothing FROM account"])
def test_queries_that_sqlite_refuses(synced: Path, sql: str) -> None:
    assert run("query", "--db", str(synced), sql).exit_code == Exit.FAILED
    assert json.loads(run("status", "--db", str(synced), "--json").stdout)["rows"] == len(ROWS)


def start(db: Path, server: ScriptedServer, command: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, command, "--db", str(db), "--endpoint", server.endpoint, "--token", "secret", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_watch_until_interrupted(db: Path) -> None:
    with ScriptedServer([[*first_sync(), Hang()]]) as server, start(db, server, "watch", "--json") as process:
        assert process.stdout
        events: list[dict[str, Any]] = []
        while not events or events[-1]["event"] != "CheckpointReached":
            events.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr
        assert process.stderr.read() == ""
    assert [event["event"] for event in events] == [
        "ConnectionChanged",
        "ConnectionChanged",
        "ModelChanged",
        "RowsChanged",
        "CheckpointReached",
    ]
    assert events[3] == {"event": "RowsChanged", "entity": "account", "written": len(ROWS), "removed": 0}
    assert events[4]["checkpoint"]["lsn"] == 100


def test_watch_ends_with_what_does_not_pass(db: Path) -> None:
    with ScriptedServer([[*first_sync(), Fail(Code.PERMISSION_DENIED, "USER_DISABLED")]]) as server:
        result = run("watch", "--db", str(db), "--endpoint", server.endpoint, "--token", "secret")
    assert result.exit_code == Exit.REFUSED
    assert "account: 20 written, 0 removed" in result.stdout
    assert "USER_DISABLED" in result.stderr


def test_killed_at_any_point_it_goes_on_where_it_was(db: Path) -> None:
    """kill -9 between any two events: what was committed is not asked for again, and nothing is half there."""
    parts = [{ordinal: 10 + ordinal for ordinal in range(start, start + 100)} for start in range(0, 2000, 100)]
    everything = {ordinal: lsn for part in parts for ordinal, lsn in part.items()}
    whole = [
        sync_pb2.SyncEvent(model=model(CONTACT, ACCOUNT)),
        plan({ACCOUNT: len(everything)}),
        *(batch(ACCOUNT, part) for part in parts),
        checkpoint({CONTACT: {}, ACCOUNT: everything}),
    ]
    events = [with_cookie(event, str(index + 1).encode()) for index, event in enumerate(whole)]
    sent: list[int] = []

    def script(request: sync_pb2.SyncRequest) -> Iterator[Action]:
        for index in range(int(request.cookie or b"0"), len(events)):
            sent.append(index)
            yield events[index]

    with ScriptedServer([script]) as server:
        for kill_after in (1, 4, 9, 3):
            before = len(sent)
            with start(db, server, "sync") as process:
                while len(sent) < before + kill_after and process.poll() is None:
                    time.sleep(0.0005)
                process.kill()
            status = json.loads(run("status", "--db", str(db), "--verify", "--json").stdout)
            assert status["verified"] is not False
        with start(db, server, "sync", "--json") as process:
            output, _ = process.communicate(timeout=60)
        cookies = [int(request.cookie or b"0") for request in server.requests]
    assert json.loads(output)["complete"]
    status = json.loads(run("status", "--db", str(db), "--verify", "--json").stdout)
    assert (status["verified"], status["rows"]) == (True, len(everything))
    assert cookies == sorted(cookies), "a cookie never goes back"
