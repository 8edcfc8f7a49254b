"""examples/quickstart/route.py as its user runs it: on two devices, with and without a network."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from conftest import RunningServer

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples" / "quickstart"
BIN = Path(sys.executable).parent
ORGANIZATION = "route"
USER = "a0000000-0000-4000-8000-000000000001"
CONTOSO = "10000000-0000-4000-8000-000000000002"
NOBODY = "http://127.0.0.1:9"


@dataclass(frozen=True)
class App:
    """One device's app."""

    database: Path
    endpoint: str
    token: str

    def run(self, *words: str, online: bool = True, status: int = 0) -> str:
        """Runs a command; returns what it printed."""
        endpoint, token = (self.endpoint, {"TOKEN": self.token}) if online else (NOBODY, {})
        done = subprocess.run(
            [sys.executable, str(QUICKSTART / "route.py"), *words],
            env={**os.environ, "ROUTE_DB": str(self.database), "ENDPOINT": endpoint, **token},
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr


def haversack(server: RunningServer, *words: str) -> str:
    command = [str(BIN / "haversack"), *words]
    environment = {**os.environ, "HAVERSACK_DATA": str(server.settings.data)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def quickstart(server: RunningServer) -> str:
    """The README's organization, with merging; returns a token."""
    haversack(server, "org", "create", ORGANIZATION)
    haversack(server, "entity", "import", "--org", ORGANIZATION, "--standard")
    for entity in ("businessunit", "systemuser", "role", "roleprivileges", "systemuserroles", "account"):
        haversack(server, "ingest", str(QUICKSTART / f"{entity}.csv"), "--org", ORGANIZATION, "--entity", entity)
    haversack(server, "org", "provision", ORGANIZATION, "--consent", "--watch")
    haversack(server, "entity", "enable", "account", "--org", ORGANIZATION, "--no-filter")
    haversack(server, "org", "set", ORGANIZATION, "--conflict-policy", "merge")
    haversack(server, "profile", "save", str(QUICKSTART / "field.yaml"), "--org", ORGANIZATION)
    haversack(server, "profile", "publish", "field", "--org", ORGANIZATION, "--yes")
    return haversack(server, "token", "--user", USER, "--org", ORGANIZATION)


def test_a_field_engineer_works_offline_on_two_devices(server: RunningServer, tmp_path: Path) -> None:
    token = quickstart(server)
    phone, tablet = (App(tmp_path / name, server.settings.sync_listen, token) for name in ("phone.db", "tablet.db"))
    for app in (phone, tablet):
        assert "2 received, 0 sent, 0 refused" in app.run("sync")

    added = phone.run("add", "Northwind", "Linz", online=False).strip()
    phone.run("note", CONTOSO, "new", "pump", online=False)
    tablet.run("note", CONTOSO, "door code 12", online=False)
    assert tablet.run("note", "nobody", "x", online=False, status=1).startswith("there is no customer nobody")
    listed = phone.run("list", online=False).splitlines()
    assert [line[0] for line in listed if re.match(r". +\w{8}-", line)] == ["*", "*", " "]
    assert "waiting create" in phone.run("outbox", online=False)
    assert ", 2 sent, 0 refused" in phone.run("sync")
    tablet.run("sync")
    assert phone.run("sync")
    notes = "      new pump\n      door code 12\n"
    assert notes in tablet.run("list", online=False)
    assert phone.run("list", online=False) == tablet.run("list", online=False)
    assert "Northwind" in tablet.run("list", online=False)

    tablet.run("close", added, online=False)
    phone.run("note", added, "asked for a visit", online=False)
    assert ", 1 sent, 0 refused" in tablet.run("sync")
    assert "Northwind" not in tablet.run("list", online=False)
    phone.run("sync")
    assert "Northwind" not in phone.run("list", online=False)
    assert phone.run("outbox", online=False) == ""
