"""What a device says of itself, for administrators to look at: with every call, and beside a live stream."""

import json
import platform
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from haversack.error.v1 import error_pb2
from haversack.sync.v1 import report_pb2

from haversack_client._errors import (
    DeviceBlockedError,
    DeviceWipedError,
    FencedError,
    HaversackError,
    SyncRunningError,
    UnavailableError,
)
from haversack_client._monitor import count_writes
from haversack_client._reader import read_entities, read_facts
from haversack_client._readers import Readers
from haversack_client._session import CLIENT
from haversack_client._stage import Stage
from haversack_client._store import Store
from haversack_client._transport import Transport

APP_VERSION_BYTES_MAX = 64
PLATFORM_BYTES_MAX = 128
ERROR_BYTES_MAX = 500

INTERVAL_SECONDS = 30.0
"""How often a device reports beside a live stream, at most."""

_PASSING = (UnavailableError, SyncRunningError, FencedError, DeviceBlockedError, DeviceWipedError)
"""What is no news to an administrator: no network, another sync, and what an administrator has ordered."""


class Reporter:
    """Says how a device is. Any thread may call any method."""

    def __init__(
        self,
        store: Store,
        readers: Readers,
        transport: Transport,
        path: Path,
        *,
        app: str = "",
        app_version: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._readers = readers
        self._transport = transport
        self._path = path
        self._app = app
        self._app_version = cut(app_version, APP_VERSION_BYTES_MAX)
        self._platform = cut(f"{platform.platform()} Python {platform.python_version()}", PLATFORM_BYTES_MAX)
        self._clock = clock
        facts = store.facts()
        self._failed = bool(facts.failure)
        self._lock = threading.Lock()
        self._said: bytes | None = None
        self._said_at = float("-inf")

    def report(self) -> report_pb2.DeviceReport:
        """How the device is now. Whoever asks is about to say it."""
        report = self._now()
        with self._lock:
            self._said, self._said_at = _material(report), self._clock()
        return report

    def outcome(self, error: Exception | None) -> None:
        """A sync or upload has failed, or (None) a checkpoint was reached."""
        if isinstance(error, _PASSING) or not (error or self._failed):
            return
        failure, self._failed = _failure(error) if error else "", error is not None
        with suppress(HaversackError):  # It is only told to people; a broken database has told the application already.
            self._store.remember_failure(failure)

    def refresh(self) -> float | None:
        """Reports if something is not as it was said, and if that is due.

        Returns how many seconds later to call again; None if nothing is left to be said.
        """
        if _material(self._now()) == self._said:
            return None
        wait = self._said_at + INTERVAL_SECONDS - self._clock()
        if wait > 0:
            return wait
        with suppress(HaversackError):  # The stream knows what is wrong with the server, and tells.
            request = report_pb2.ReportRequest(install_id=self._store.install_id(), app=self._app, client=CLIENT)
            request.report.CopyFrom(self.report())
            self._transport.report(request)
        return None

    def _now(self) -> report_pb2.DeviceReport:
        with self._readers.reading() as connection:
            facts = read_facts(connection)
            rows = sum(entity.count for entity in read_entities(connection).values())
            waiting, queued, refused = count_writes(connection)
        report = report_pb2.DeviceReport(
            app_version=self._app_version,
            platform=self._platform,
            model_version=int(facts.model_version or "0", 16),
            stage=Stage(facts.stage),
            rows=rows,
            bytes=_bytes(self._path),
            pending=waiting + queued,
            refused=refused,
            clock_us=time.time_ns() // 1_000,
        )
        if facts.failure:
            reason, message, at_us = json.loads(facts.failure)
            failure = report_pb2.DeviceReport(error_reason=reason, error_message=message, error_at_us=at_us)
            report.MergeFrom(failure)
        return report


def cut(text: str, bytes_max: int) -> str:
    """The beginning of a text that is not longer than so many bytes."""
    return text.encode()[:bytes_max].decode(errors="ignore")


def _failure(error: Exception) -> str:
    name = f"ERROR_REASON_{getattr(error, 'reason', '')}"
    reason = name if name in error_pb2.ErrorReason.keys() else "ERROR_REASON_UNSPECIFIED"
    return json.dumps([reason, cut(str(error) or type(error).__name__, ERROR_BYTES_MAX), time.time_ns() // 1_000])


def _bytes(path: Path) -> int:
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _material(report: report_pb2.DeviceReport) -> bytes:
    """What is worth saying anew: not the clock, and not the size of a log that comes and goes."""
    material = report_pb2.DeviceReport()
    material.CopyFrom(report)
    material.ClearField("clock_us")
    material.ClearField("bytes")
    return material.SerializeToString(deterministic=True)
