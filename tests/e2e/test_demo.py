"""The demo, whole: it ends well, and says so."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 300


def test_the_demo_agrees_with_itself(tmp_path: Path) -> None:
    command: list[str | Path] = [Path(sys.executable).parent / "haversack", "demo", "--keep", tmp_path / "demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything agreed: " in done.stdout
    assert "not so" not in done.stdout


def test_the_demo_wants_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    command: list[str | Path] = [Path(sys.executable).parent / "haversack", "demo", "--keep", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert [it.name for it in tmp_path.iterdir()] == ["something"], "it touches nothing"
