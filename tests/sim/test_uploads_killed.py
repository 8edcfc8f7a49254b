"""A server killed in the middle of uploads: nothing that a device wrote is lost, and nothing is done twice."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import grpc
from e2e.conftest import USER
from e2e.processes import STEP_SECONDS_MAX, ServerProcess
from haversack.sync.v1 import upload_pb2
from haversack_client import Backoff, Device, UnavailableError
from haversack_server.demo.organization import Organization
from sim.organization import fill

NAME = "uploads"
ROWS = 3_000
DELAYS_SECONDS = (0.0, 0.01, 0.03, 0.06, 0.12)
"""How long after the beginning of an upload the server is killed."""


def test_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    server.start()
    try:
        with grpc.insecure_channel(server.admin) as channel:
            fill(server.organization(channel, NAME))
        path, token = tmp_path / "device.db", server.device_token(NAME, USER)
        with Device.open(path, server.sync, token, backoff=Backoff(0.01, 0.05)) as device:
            device.sync()
            with device.batch():
                made = [device.create("contact", {"lastname": f"Made {number}"}) for number in range(ROWS)]
            with device.batch():
                for row in made[::3]:
                    device.update("contact", row, {"firstname": "Changed"})
            for delay in DELAYS_SECONDS:
                kill_during_upload(server, device, delay)
            device.sync()
            device.sync()
            assert device.outbox() == []
        with grpc.insecure_channel(server.admin) as channel:
            check(server.organization(channel, NAME), tmp_path / "other.db", server, made)
    finally:
        server.kill()


def kill_during_upload(server: ServerProcess, device: Device, delay: float) -> None:
    """Kills the server soon after an upload has begun, and starts it again."""
    begun = threading.Event()
    upload = device._transport.upload

    def noted(request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        begun.set()
        return upload(request)

    def uploading() -> None:
        try:
            device.upload()
        except UnavailableError:
            return
        finally:
            begun.set()

    device._transport.upload = noted  # type: ignore[method-assign]
    thread = threading.Thread(target=uploading)
    thread.start()
    assert begun.wait(STEP_SECONDS_MAX)
    time.sleep(delay)
    server.kill()
    thread.join(STEP_SECONDS_MAX)
    device._transport.upload = upload  # type: ignore[method-assign]
    server.start()


def check(organization: Organization, path: Path, server: ServerProcess, made: list[str]) -> None:
    """Every row is there once, as it was written last: in the record database, and on another device."""
    deadline = time.monotonic() + STEP_SECONDS_MAX
    while {it.entity: it.rows for it in organization.get().records}.get("contact") != len(made):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with Device.open(path, server.sync, server.device_token(NAME, USER)) as other:
        other.sync()
        rows = other.query("SELECT contactid, lastname, firstname FROM contact")
    held = {row["contactid"]: (row["lastname"], row["firstname"]) for row in rows}
    wanted = {row: (f"Made {number}", None if number % 3 else "Changed") for number, row in enumerate(made)}
    assert Counter(row["contactid"] for row in rows).most_common(1)[0][1] == 1
    assert held == wanted
