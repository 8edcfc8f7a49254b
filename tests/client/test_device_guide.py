"""What docs/device.md shows runs, in its order, on one device."""

import re
from pathlib import Path
from uuid import UUID

import pytest
from client.memory_server import MemoryServer
from client.test_writes import FORBIDDEN, NORTH, QUICK, SITE, VISIT
from haversack_client import Device
from haversack_client.cli import app
from typer.main import get_command

GUIDE = (Path(__file__).parents[2] / "docs/device.md").read_text()


def test_its_lines_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = MemoryServer((SITE, VISIT), judge=lambda mutation: FORBIDDEN if mutation.number == 1 else None)
    server.put(SITE, NORTH.bytes, name="North", budget="9", kind=1)
    server.put(VISIT, UUID(int=7).bytes, topic="roof", siteid=NORTH.bytes)
    opening, *blocks = re.findall(r"^```python\n(.*?)^```", GUIDE, re.M | re.S)
    assert "Device.open" in opening
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        names: dict[str, object] = {"device": device}
        for block in blocks:
            exec(block, names)
            if "device.batch()" in block:
                device.sync()
        assert device.outbox() == []
        assert len(device.query("SELECT * FROM visit")) == 3
    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == ["North 9", "[('roof', 'North')]"]
    assert "TOKEN_NOT_ALLOWED" in shown[2]
    assert "100%" in shown[-1]


def test_its_commands_are_there() -> None:
    command = get_command(app)
    named = set(re.findall(r"^    haversack-device (\w+)", GUIDE, re.M))
    assert named <= set(getattr(command, "commands", {}))
    assert len(named) > 4
