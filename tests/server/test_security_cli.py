"""Commands for roles and the audit log, and the first administrator of a production server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from server.provider import providing
from server.running import LoopThread, RunningServer, running
from server.test_cli import MISUSED, Line
from server.test_security_issuers import entry, production


@pytest.fixture
def line(server: RunningServer) -> Line:
    return Line(server.settings.data)


def test_roles_are_given_listed_and_taken(line: Line) -> None:
    line.run("org", "create", "granted")
    words = ("alice", "--issuer", "https://login.example.com/", "--org", "granted")
    assert "alice is operator in granted" in line.run("admin", "grant", *words, "--role", "operator").stdout
    [listed] = [it for it in line.json("admin", "list", "--org", "granted") if it["subject"] == "alice"]
    assert (listed["role"], listed["granted_by"]) == ("ROLE_OPERATOR", "haversack-cli")
    assert "operator" in line.run("admin", "list", "--org", "granted").stdout
    assert line.json("admin", "revoke", *words) == {"revoked": True}
    assert "nothing to revoke" in line.run("admin", "revoke", *words).stdout
    assert line.refusal("admin", "grant", "", "--issuer", "x", "--role", "reader")["reason"] == "REQUEST_INVALID"
    assert "administrator" in line.run("admin", "whoami").stdout
    reader = line.run("token", "--admin", "--role", "reader", "--org", "granted").stdout.strip()
    assert line.json("admin", "whoami", "--token", reader)["grants"][0]["role"] == "ROLE_READER"
    refusal = line.refusal("org", "set", "granted", "--token", reader, "--time-zone", "Europe/Vienna")
    assert refusal["reason"] == "ROLE_INSUFFICIENT"
    line.run("token", "--role", "reader", expect=MISUSED)


def audited(line: Line, *words: str) -> list[dict[str, Any]]:
    return [json.loads(it) for it in line.run("audit", *words, "--json").stdout.splitlines()]


def test_the_audit_log_is_read(line: Line) -> None:
    line.run("org", "create", "audited")
    for zone in ("Europe/Vienna", "Europe/Rome"):
        line.run("org", "set", "audited", "--time-zone", zone)
    found = audited(line, "--org", "audited", "--since", "1h", "--rpc", "SetSettings")
    zones = [json.loads(it["after_json"])["time_zone"] for it in found]
    assert zones == ["Europe/Vienna", "Europe/Rome"]
    assert len(audited(line, "--org", "audited", "--max", "1")) == 1
    assert audited(line, "--org", "audited", "--until", "2020-01-01") == []
    assert audited(line, "--who", "nobody") == []
    assert "SetSettings" in line.run("audit", "--org", "audited", "--outcome", "OK").stdout
    line.run("audit", "--since", "yesterday", expect=MISUSED)


def test_the_first_administrator_is_made_on_the_machine(loop: LoopThread, tmp_path: Path) -> None:
    line = Line(tmp_path)
    with providing() as provider:
        words = ("root", "--issuer", provider.issuer, "--role", "administrator", "--local")
        assert line.json("admin", "grant", *words)["role"] == "ROLE_ADMINISTRATOR"
        assert line.refusal("admin", "grant", *words, "--org", "nobody")["reason"] == "ORGANIZATION_UNKNOWN"
        with running(loop, production(tmp_path, entry(provider))):
            refusal = line.refusal("org", "list")
            assert (refusal["reason"], "production mode" in refusal["message"]) == ("TOKEN_MISSING", True)
            token = provider.token(sub="root")
            line.run("org", "create", "acme", "--token", token)
            entries = audited(line, "--token", token)
    outcomes = [(it["rpc"].rpartition(".")[2], it["issuer"], it["outcome"]) for it in entries]
    assert outcomes == [
        ("GrantRole", "local", "OK"),
        ("GrantRole", "local", "ORGANIZATION_UNKNOWN"),
        ("CreateOrganization", provider.issuer, "OK"),
    ]
