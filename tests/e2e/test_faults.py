"""Kill -9, cut networks, lost servers, slow readers: nothing is fetched twice, nothing is wrong afterwards."""

import random
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import STEP_SECONDS_MAX
from e2e.conftest import ROWS, Field
from e2e.processes import DeviceProcess
from e2e.proxy import Proxy
from haversack_client import Device, RowsChanged

KILLS = 50
OVERHEAD_MAX = 1.1
SLOW_READER_BYTES_MAX = 64 * 1024 * 1024


def rows_of(database: Path, field: Field) -> int:
    """Verifies a device's digests from its rows and returns how many it has."""
    with Device.open(database, field.server.sync, field.token) as device:
        assert device.status(verify=True).checkpoint is not None
        (count,) = device.query("SELECT count(*) FROM contact")[0]
    assert isinstance(count, int)
    return count


@pytest.fixture(scope="module")
def clean_bytes(field: Field, tmp_path_factory: pytest.TempPathFactory) -> int:
    """What one undisturbed first sync receives."""
    with Proxy(field.server.sync) as proxy:
        DeviceProcess(tmp_path_factory.mktemp("clean") / "device.db", proxy.address, field.token).sync()
        return proxy.received


def wait_killed(process: "subprocess.Popen[str]") -> None:
    """Waits for a device that was killed; one that was quicker has ended well."""
    process.communicate(timeout=STEP_SECONDS_MAX)


@pytest.mark.parametrize("point", range(KILLS))
def test_a_device_killed_in_its_first_sync_goes_on_where_it_was(
    field: Field, clean_bytes: int, tmp_path: Path, point: int
) -> None:
    at = random.Random(point).randrange(clean_bytes // 50, clean_bytes)
    with Proxy(field.server.sync) as proxy:
        device = DeviceProcess(tmp_path / "device.db", proxy.address, field.token)
        started: list[subprocess.Popen[str]] = []
        process_is_known = threading.Event()

        def kill() -> None:
            process_is_known.wait()
            started[0].kill()

        proxy.at(at, kill)
        started.append(device.start_sync())
        process_is_known.set()
        wait_killed(started[0])
        proxy.cut()
        device.sync()
        assert proxy.received <= OVERHEAD_MAX * clean_bytes
    assert rows_of(tmp_path / "device.db", field) == ROWS


def test_a_stream_cut_ten_times_in_one_sync_is_taken_up_each_time(
    field: Field, clean_bytes: int, tmp_path: Path
) -> None:
    draw = random.Random(7)
    with Proxy(field.server.sync) as proxy, Device.open(tmp_path / "device.db", proxy.address, field.token) as device:
        for _ in range(3):
            proxy.at(draw.randrange(clean_bytes), proxy.cut)
        result = device.sync()
    assert result.complete
    assert result.rows == ROWS
    assert rows_of(tmp_path / "device.db", field) == ROWS


def test_a_server_killed_in_a_first_sync_remembers_nothing_and_needs_nothing(
    field: Field, clean_bytes: int, tmp_path: Path
) -> None:
    """The view moves while the server is down: the device's blocks are asked for, and only the difference travels."""
    with Proxy(field.server.sync) as proxy:
        device = DeviceProcess(tmp_path / "device.db", proxy.address, field.token)
        proxy.at(clean_bytes // 2, field.server.kill)
        process = device.start_sync()
        while field.server.process is not None and field.server.process.poll() is None:
            time.sleep(0.01)
        process.kill()
        wait_killed(process)
        field.server.start()
        field.write(0, 500, "changed while away")
        field.write(ROWS, 200, "new while away")
        device.sync()
        assert proxy.received <= OVERHEAD_MAX * clean_bytes
    assert rows_of(tmp_path / "device.db", field) == ROWS + 200


def test_a_slow_reader_costs_bounded_memory_and_delays_no_other(field: Field, tmp_path: Path) -> None:
    before = field.server.resident_bytes()
    with Proxy(field.server.sync) as proxy:
        slow = DeviceProcess(tmp_path / "slow.db", proxy.address, field.token)
        proxy.at(1, proxy.stall)
        process = slow.start_sync()
        with Device.open(tmp_path / "quick.db", field.server.sync, field.token) as quick:
            quick.sync()
            seconds = seconds_until_changed(quick, lambda: field.write(0, 1, "seen at once"))
        assert field.server.resident_bytes() - before < SLOW_READER_BYTES_MAX
        proxy.resume()
        process.communicate(timeout=STEP_SECONDS_MAX)
    assert seconds < STEP_SECONDS_MAX / 2
    assert process.returncode == 0


def seconds_until_changed(device: Device, change: Callable[[], None]) -> float:
    """How long a live device waits for a change."""
    with device.live() as live:
        events = iter(live)
        time.sleep(1)
        change()
        began = time.monotonic()
        for event in events:
            if isinstance(event, RowsChanged):
                return time.monotonic() - began
    raise AssertionError("the live stream ended")
