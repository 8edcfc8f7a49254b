"""Installs the built wheels into a clean environment and starts what they bring: `wheels.py DIST`.

Proves that the wheels are whole: nothing here is taken from the clone.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

UV = Path(sys.executable).parent / "uv"
PROBE = """
from pathlib import Path
import haversack_client, haversack_server
from haversack_server import _core
staging = _core.Staging.create("probe.db")
assert staging.head() == 0 and len(staging.epoch) == 16
assert "site-packages" in haversack_server.__file__ and "site-packages" in haversack_client.__file__
print("the wheels' core answers")
"""


def run(*command: str | Path, cwd: Path) -> None:
    """Runs a command; raises CalledProcessError if it fails."""
    subprocess.run(command, check=True, cwd=cwd)


def main() -> None:
    """Builds the environment, installs, starts."""
    dist = Path(sys.argv[1]).resolve()
    wheels = sorted(dist.glob("*.whl"))
    if len(wheels) != 3:
        raise SystemExit(f"expected three wheels in {dist}, found {[wheel.name for wheel in wheels]}")
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        run(UV, "venv", "--quiet", "env", cwd=place)
        run(UV, "pip", "install", "--quiet", "--python", "env/bin/python", *wheels, cwd=place)
        run(place / "env/bin/python", "-c", PROBE, cwd=place)
        run(place / "env/bin/haversack", "--help", cwd=place)
        run(place / "env/bin/haversack-device", "--help", cwd=place)
    print("wheels: installed and started")


if __name__ == "__main__":
    main()
