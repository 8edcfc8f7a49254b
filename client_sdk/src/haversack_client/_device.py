"""A device: one local database, and the way to keep it equal to its user's view."""

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from os import PathLike
from pathlib import Path
from types import TracebackType

from haversack.sync.v1 import sync_pb2

from haversack_client._errors import SyncRunningError
from haversack_client._live import EVENTS_MAX, Live
from haversack_client._progress import Progress, ProgressMeter
from haversack_client._reader import Status, open_read_only, read_status
from haversack_client._result import SyncResult, Tally
from haversack_client._store import Store
from haversack_client._synchronizer import Applied, Backoff, Synchronizer
from haversack_client._transport import GrpcTransport, Token, Transport

SqlParameters = Sequence[object] | Mapping[str, object]


class Device:
    """A local database that follows its user's view.

    Any thread may call any method. One sync or live stream runs at a time; reading goes on beside it.
    """

    def __init__(self, path: Path, transport: Transport, *, backoff: Backoff, app: str = "") -> None:
        """Use `Device.open`."""
        self._app = app
        self._path = path
        self._transport = transport
        self._backoff = backoff
        self._store = Store(path)
        self._syncing = threading.Lock()
        self._live: Live | None = None

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        endpoint: str,
        token: Token,
        *,
        app: str = "",
        ca_file: str | PathLike[str] | None = None,
        backoff: Backoff | None = None,
    ) -> "Device":
        """Opens the database at `path`, or makes it. Nothing is sent yet.

        Args:
            path: The SQLite file.
            endpoint: `https://host:port`, `http://host:port`, or `host:port` (plain on loopback, else encrypted).
            token: A bearer token, or a callable that gives a fresh one for every call.
            app: Name of the application that this is a device of; it follows one of the application's profiles. Empty:
                whichever profile has the user. A device may come back as one of another application.
            ca_file: PEM file of the authorities to trust; None means the system's.
            backoff: How to wait between failed calls.

        Raises:
            ValueError: The endpoint is none.
            OSError: `ca_file` cannot be read.
            StoreError: The file cannot be opened, or is not a device's.
        """
        trusted = Path(ca_file).read_bytes() if ca_file else None
        transport = GrpcTransport(endpoint, token, root_certificates=trusted)
        return cls(Path(path), transport, backoff=backoff or Backoff(), app=app)

    def __enter__(self) -> "Device":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops a live stream, if one runs, and closes the database.

        Raises SyncRunningError while another thread is in `sync`.
        """
        if self._live:
            self._live.stop()
        self._take_turn()
        try:
            self._store.close()
        finally:
            self._syncing.release()

    def sync(
        self, progress: Callable[[Progress], object] | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> SyncResult:
        """Makes the database equal to the view of this moment, and returns what that took.

        Failures that pass by themselves are retried a few times; what is committed is never fetched again. `progress`
        is called in this thread after every event; what it raises ends the sync.

        Raises:
            SyncRunningError: A sync or a live stream of this Device is running.
            RemoteError: The server refused, or could not be reached; its subclasses say how.
            ProtocolError: The server broke the contract.
            DigestMismatchError: Rows disagree with the server even after they were fetched anew.
            StoreError: The database cannot be written.
        """
        self._take_turn()
        try:
            tally, meter = Tally(clock), ProgressMeter(clock)
            synchronizer = self._synchronizer(sync_pb2.SYNC_MODE_ONCE)
            with closing(synchronizer.run()) as happenings:
                for happening in happenings:
                    tally.take(happening)
                    if progress and isinstance(happening, Applied):
                        progress(meter.take(happening.step))
            return tally.result()
        finally:
            self._syncing.release()

    def live(self, *, events_max: int = EVENTS_MAX) -> Live:
        """Begins to follow the view in a thread of its own; returns at once.

        Args:
            events_max: How many events wait for a reader before the oldest are dropped.

        Raises:
            SyncRunningError: A sync or a live stream of this Device is running.
        """
        self._take_turn()
        try:
            synchronizer = self._synchronizer(sync_pb2.SYNC_MODE_LIVE)
            self._live = Live(synchronizer, self._syncing.release, events_max=events_max)
        except BaseException:
            self._syncing.release()
            raise
        return self._live

    def status(self, *, verify: bool = False) -> Status:
        """Says what the database holds and where it stands, also while it syncs.

        With `verify`, every digest is made anew from the rows' ordinals and LSNs, which takes about a second for a
        million rows.
        """
        return read_status(self._path, verify=verify)

    def query(self, sql: str, parameters: SqlParameters = ()) -> list[sqlite3.Row]:
        """Runs one statement that reads, and returns all rows. Raises sqlite3.Error if SQLite refuses it."""
        with closing(self.connection()) as connection:
            return connection.execute(sql, parameters).fetchall()

    def connection(self) -> sqlite3.Connection:
        """Opens a read-only connection of the caller's own, to use in this thread and to close.

        Rows are `sqlite3.Row`. A statement sees the database as of one commit, and so does a transaction.
        """
        return open_read_only(self._path)

    def _synchronizer(self, mode: sync_pb2.SyncMode) -> Synchronizer:
        return Synchronizer(self._store, self._transport, mode, self._backoff, self._app)

    def _take_turn(self) -> None:
        if not self._syncing.acquire(blocking=False):
            raise SyncRunningError("this device is already syncing; stop the live stream, or let the other call end")
