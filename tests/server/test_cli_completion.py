"""What a TAB offers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from haversack.model.v1 import model_pb2
from server.crew import ADA, UNIT, Crew, csv, item
from server.running import Admin, RunningServer

HAVERSACK = Path(sys.executable).parent / "haversack"

PRESSES_MAX = 10
"""A TAB is silent if the server takes long; a busy machine's does."""


def offered(typed: str, data: Path) -> list[str]:
    """What bash is offered after this much of a line, once a server that is busy answers in time for a TAB."""
    for _ in range(PRESSES_MAX):
        if found := pressed(typed, data):
            return found
    return []


def pressed(typed: str, data: Path) -> list[str]:
    """What bash is offered by one TAB."""
    words = typed.split(" ")
    environment = {
        **os.environ,
        "_HAVERSACK_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(words) - 1),
        "HAVERSACK_DATA": str(data),
    }
    done = subprocess.run([HAVERSACK], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.stdout.split()


def test_a_tab_offers_commands_and_what_the_server_has(server: RunningServer, admin: Admin) -> None:
    organization = admin.organization()
    data = server.settings.data
    assert {"list", "show", "create"} <= set(offered("haversack org ", data))
    assert offered(f"haversack org show {organization[:8]}", data) == [organization]
    assert offered(f"haversack entity show --org {organization} cont", data) == ["contact"]
    assert pressed("haversack entity show cont", data) == [], "no organization is named yet"


def test_a_tab_offers_who_and_what_an_organization_has(server: RunningServer, admin: Admin) -> None:
    crew = Crew.made(server, admin)
    crew.ingest("systemuser", csv("systemuserid,domainname,businessunitid", (ADA, "ada@acme.example", UNIT)))
    crew.save("field", item("account"))
    crew.apps("SaveApp", app=model_pb2.App(name="visits", profiles=["field"]))
    data, on = server.settings.data, f"--org {crew.name}"
    assert offered(f"haversack user show {on} ad", data) == ["ada@acme.example"]
    assert offered(f"haversack team join {on} No", data) == ["North"]
    assert offered(f"haversack role show {on} Rea", data) == ["Reader"]
    assert offered(f"haversack unit set {on} A", data) == ["All"]
    assert offered(f"haversack app show {on} v", data) == ["visits"]
    assert offered(f"haversack share list {on} --user ad", data) == ["ada@acme.example"]
    numbers = offered(f"haversack work show {on} ", data)
    assert numbers
    assert all(it.isdigit() for it in numbers)


def test_a_tab_is_silent_where_no_server_answers(tmp_path: Path) -> None:
    assert pressed("haversack org show ", tmp_path) == []
    assert pressed("haversack org show ", tmp_path / "nowhere") == []
