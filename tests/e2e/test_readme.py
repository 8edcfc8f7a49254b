"""The README's commands, run as they stand: an organization from nothing, a device, a filter."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from conftest import RunningServer
from haversack_server.settings import ServerSettings

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def commands() -> str:
    """What the README tells to type into a second terminal."""
    told = (ROOT / "README.md").read_text().split("In another terminal", 1)[1].split("\n## ", 1)[0]
    shell = re.sub(r"```.*?```", "", told, flags=re.DOTALL)
    return "\n".join(line.removeprefix("    ") for line in shell.splitlines() if line.startswith("    "))


def test_the_readme_s_commands_do_what_it_says(server: RunningServer, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "quickstart", tmp_path / "examples" / "quickstart")
    device = tmp_path / "examples" / "quickstart" / "sync.py"
    device.write_text(device.read_text().replace("http://127.0.0.1:7421", server.settings.sync_listen))
    script = commands().replace(".venv/bin/", f"{BIN}/").replace("=haversack-data", f"={server.settings.data}")
    assert "profile publish" in script
    assert "filter eval" in script
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rows received\nBlue Yonder Vienna\nContoso Graz\n" in done.stdout
    assert 'address1_city is one of "Vienna", "Salzburg"\n' in done.stdout
    assert done.stdout.endswith(f"1{0:07}-0000-4000-8000-000000000001\n1{0:07}-0000-4000-8000-000000000002\n")


def test_a_server_would_start_with_the_readme_s_settings() -> None:
    told = (ROOT / "README.md").read_text().split("```toml\n", 1)[1].split("```", 1)[0]
    settings = ServerSettings(data=Path("haversack-data"), **tomllib.loads(told))
    settings.check()
    assert settings.tls is not None
    assert settings.catalog_url == settings.database_url != ""
