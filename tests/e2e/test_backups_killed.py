"""Backups and restores that are killed, and a server whose disk is lost: what was acknowledged is there again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import grpc
from e2e.conftest import USER
from e2e.processes import SCRIPTS, STEP_SECONDS_MAX, ServerProcess
from e2e.test_uploads_killed import NAME, check, fill
from haversack_client import Backoff, Device

ROWS = 600
"""What a device makes before the backup, and again after it."""

DELAYS_SECONDS = (0.0, 0.05, 0.2)
"""How long after the beginning of its work a command is killed."""


def command(*words: str | Path) -> subprocess.Popen[bytes]:
    """Starts a command of the server's."""
    return subprocess.Popen([SCRIPTS / "haversack", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def carry_out(*words: str | Path) -> None:
    """Carries a command out."""
    process = command(*words)
    _, errors = process.communicate(timeout=STEP_SECONDS_MAX)
    assert process.returncode == 0, errors


def kill(process: subprocess.Popen[bytes], has_begun: Callable[[], bool], delay: float) -> None:
    """Kills a command soon after its work has begun."""
    deadline = time.monotonic() + STEP_SECONDS_MAX
    while not has_begun() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=STEP_SECONDS_MAX)


def write(device: Device, number: int) -> list[str]:
    """Makes rows and changes every third, and has the server take all that."""
    with device.batch():
        made = [device.create("contact", {"lastname": f"Made {number + at}"}) for at in range(ROWS)]
    with device.batch():
        for row in made[::3]:
            device.update("contact", row, {"firstname": "Changed"})
    device.sync()
    assert device.outbox() == []
    return made


def test_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    server, place = ServerProcess(tmp_path / "data"), tmp_path / "backup"
    server.start()
    try:
        with grpc.insecure_channel(server.admin) as channel:
            fill(server.organization(channel, NAME))
        token = server.device_token(NAME, USER)
        with Device.open(tmp_path / "device.db", server.sync, token, backoff=Backoff(0.01, 0.05)) as device:
            device.sync()
            made = write(device, 0)
            for delay in DELAYS_SECONDS:
                process = command("backup", place, "--data", server.data)
                kill(process, (tmp_path / f".{place.name}.unfinished").exists, delay)
                if place.exists():  # it was quicker than the kill
                    carry_out("backup", "verify", place)
                    shutil.rmtree(place)
            carry_out("backup", place, "--data", server.data)
            carry_out("backup", "verify", place)
            assert not list(tmp_path.glob(".*.unfinished")), "what a killed one has left is gone"
            made += write(device, ROWS)
            server.kill()
            shutil.rmtree(server.data)
            for delay in DELAYS_SECONDS:
                restore_and_kill(place, server.data, delay)
            carry_out("restore", place, "--data", server.data)
            server.start()
            device.sync()
            assert (device.outbox(), device.status(verify=True).verified) == ([], True)
            assert device.query("SELECT count(*) FROM contact")[0][0] == len(made)
        with grpc.insecure_channel(server.admin) as channel:
            check(server.organization(channel, NAME), tmp_path / "other.db", server, made)
    finally:
        server.kill()


def restore_and_kill(place: Path, data: Path, delay: float) -> None:
    """Kills a restore; unless it was quicker, no server starts on what it has left."""
    marker = data / ".restoring"
    kill(command("restore", place, "--data", data), marker.exists, delay)
    if marker.exists():
        refused = command("serve", "--dev", "--data", data, "--admin", "127.0.0.1:0", "--sync", "127.0.0.1:0")
        _, errors = refused.communicate(timeout=STEP_SECONDS_MAX)
        assert refused.returncode == 1
        assert b"restored into" in errors
    else:
        shutil.rmtree(data)
