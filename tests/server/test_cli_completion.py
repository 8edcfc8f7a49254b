"""What a TAB offers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from server.running import Admin, RunningServer

HAVERSACK = Path(sys.executable).parent / "haversack"


def offered(typed: str, data: Path) -> list[str]:
    """What bash is offered after this much of a line."""
    words = typed.split(" ")
    environment = {
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
    assert offered("haversack entity show cont", data) == [], "no organization is named yet"


def test_a_tab_is_silent_where_no_server_answers(tmp_path: Path) -> None:
    assert offered("haversack org show ", tmp_path) == []
    assert offered("haversack org show ", tmp_path / "nowhere") == []
