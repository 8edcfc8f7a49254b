"""A device: one local database, and the way to keep it equal to its user's view."""

import random
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from os import PathLike
from pathlib import Path
from threading import Event, Lock
from types import TracebackType
from typing import TypeVar

from haversack.sync.v1 import sync_pb2

from haversack_client._backoff import Backoff
from haversack_client._callbacks import tell
from haversack_client._conflicts import ROUNDS_MAX, OnConflict
from haversack_client._connections import IN_MEMORY, Key
from haversack_client._errors import (
    DeviceWipedError,
    NotProvisionedError,
    QueueFullError,
    RemoteError,
    SyncRunningError,
    UnavailableError,
)
from haversack_client._fetch import Caller, Fetch
from haversack_client._held import Wipe
from haversack_client._keeper import Keeper, Work
from haversack_client._live import EVENTS_MAX, Live
from haversack_client._model import CarriedModel, User
from haversack_client._model_change import ModelGate, OnModelChange
from haversack_client._monitor import Activities, Activity, Monitor
from haversack_client._operations import KeepCookie
from haversack_client._outbox import State
from haversack_client._pending import PendingWrite, read_writes
from haversack_client._progress import Progress
from haversack_client._reader import Status, open_read_only, read_facts, read_status
from haversack_client._readers import Readers
from haversack_client._report import Reporter
from haversack_client._result import SyncResult, Tally
from haversack_client._schedule import MICROS_PER_SECOND, Due, read_due
from haversack_client._stage import Stage
from haversack_client._store import Store
from haversack_client._synchronizer import Applied, Synchronizer
from haversack_client._transport import GrpcTransport, NoTransport, Token, Transport
from haversack_client._turn import Turn
from haversack_client._uploader import RETRIES_MAX, Uploader
from haversack_client._wipe import Wiper
from haversack_client._writer import Writer

_Error = TypeVar("_Error", bound=Exception)

SqlParameters = Sequence[object] | Mapping[str, object]


class Device:
    """A local database that follows its user's view, and takes what the user writes to the server.

    Any thread may call any method. One sync or live stream runs at a time; reading and writing go on beside it.
    """

    def __init__(
        self,
        path: Path,
        transport: Transport,
        *,
        backoff: Backoff,
        app: str = "",
        key: Key | None = None,
        on_model_change: OnModelChange | None = None,
        app_version: str = "",
        on_wiped: Callable[[Wipe], object] | None = None,
        on_conflict: OnConflict | None = None,
    ) -> None:
        """Use `Device.open`."""
        if path != IN_MEMORY:
            path = path.absolute()  # The application may change its directory, and readers open the file later.
        self._app = app
        self._path = path
        self._key = key
        self._transport = transport
        self._backoff = backoff
        self._turn = Turn()
        self._gate = ModelGate(on_model_change)
        self._store = Store(path, key, turn=self._turn)
        self._on_conflict = on_conflict
        self._writer = Writer(
            path, key, turn=self._turn, on_written=self._on_written, keeps_conflicts=on_conflict is not None
        )
        self._readers = Readers(path, key)
        self._reporter = Reporter(
            self._store, self._readers, transport, path, app=app, app_version=app_version, clock=time.monotonic
        )
        self._monitor = Monitor(self._readers, time.monotonic, on_outcome=self._reporter.outcome)
        self._closing = Event()
        self._wiper = Wiper(self._store, transport, backoff, app=app, on_wiped=on_wiped, wait=self._closing.wait)
        self._syncing = Lock()
        self._live: Live | None = None
        self._running: Synchronizer | Uploader | None = None
        self._keeper: Keeper | None = None

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
        key: Key | None = None,
        on_model_change: OnModelChange | None = None,
        app_version: str = "",
        on_wiped: Callable[[Wipe], object] | None = None,
        on_conflict: OnConflict | None = None,
    ) -> "Device":
        """Opens the database at `path`, or makes it. Nothing is sent yet.

        Args:
            path: The SQLite file.
            endpoint: `https://host:port`, `http://host:port`, or `host:port` (plain on loopback, else encrypted).
            token: A bearer token, or a callable that gives a fresh one for every call. What that raises counts as a
                loss of the network, but for TokenError.
            app: Name of the application that this is a device of; it follows one of the application's profiles. Empty:
                whichever profile has the user. A device may come back as one of another application.
            ca_file: PEM file of the authorities to trust; None means the system's.
            backoff: How to wait between failed calls.
            key: Encrypts the file with SQLCipher (`haversack-client[encrypted]`); see `keyring_key`.
            on_model_change: Asked before tables change, in the thread that syncs; None means now. If it raises, that is
                logged and means later.
            app_version: Version of the application, for administrators; at most 64 bytes of it are sent.
            on_wiped: Called once an administrator has had the device wiped, in the thread that syncs. What it raises is
                logged.
            on_conflict: Decides on fields that gave way to somebody else's, where the organization merges, in the
                thread that syncs or uploads; None means that the server's values stay.

        Raises:
            ValueError: The endpoint is none.
            OSError: `ca_file` cannot be read.
            StoreError: The file cannot be opened, or is not a device's.
            KeyWrongError: The file is encrypted with another key, or was made without or with one.
        """
        trusted = Path(ca_file).read_bytes() if ca_file else None
        transport = GrpcTransport(endpoint, token, root_certificates=trusted)
        return cls(
            Path(path),
            transport,
            backoff=backoff or Backoff(),
            app=app,
            key=key,
            on_model_change=on_model_change,
            app_version=app_version,
            on_wiped=on_wiped,
            on_conflict=on_conflict,
        )

    @classmethod
    def offline(cls, path: str | PathLike[str], *, key: Key | None = None) -> "Device":
        """Opens a database that there is, to read and write without a server. Raises StoreError if there is none."""
        open_read_only(Path(path), key).close()
        return cls(Path(path), NoTransport(), backoff=Backoff(), key=key)

    def __enter__(self) -> "Device":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops what runs in threads of its own, and closes the database.

        Raises SyncRunningError while another thread is in `sync`.
        """
        self._closing.set()
        try:
            if self._keeper:
                self._keeper.stop()
            if self._live:
                self._live.stop()
            self._take_turn()
        finally:
            self._closing.clear()
        try:
            self._readers.close()
            self._writer.close()
            self._store.close()
        finally:
            self._syncing.release()
            self._monitor.close()

    # -- Writing -------------------------------------------------------------------------------------------------------

    def create(self, entity: str, values: Mapping[str, object]) -> str:
        """Makes a row and returns its id, which is drawn unless `values` have one.

        The row is in its table when the call returns, survives a loss of power, and waits in the outbox for the server.

        Raises:
            WriteRefusedError: The write breaks a rule of the model; its `reason` is the one that the server would give.
            StoreError: The database cannot be written.
        """
        return self._writer.create(entity, values)

    def update(self, entity: str, row_id: object, values: Mapping[str, object]) -> None:
        """Changes columns of a row, as `create` does. Columns that have the value already are left alone."""
        self._writer.update(entity, row_id, values)

    def delete(self, entity: str, row_id: object) -> None:
        """Deletes a row, as `create` makes one."""
        self._writer.delete(entity, row_id)

    def batch(self) -> AbstractContextManager[None]:
        """All writes within the block are one transaction: if the block raises, none of them is made.

        It is its thread's, and its task's, where tasks run. Writes of other threads, those of a sync among them, wait
        for it: do nothing slow in it. Those of other tasks of its thread raise BatchOpenError. A StoreError at its end
        means that nothing of it was made, too.
        """
        return self._writer.writing()

    def outbox(self) -> list[PendingWrite]:
        """Every write that is not in the server's rows yet, or was refused, in order."""
        with self._reading() as connection:
            return read_writes(connection)

    def refused(self) -> list[PendingWrite]:
        """Writes that were refused, with their reasons. The rows are the server's again, but for refused creations."""
        with self._reading() as connection:
            return read_writes(connection, State.REFUSED)

    def retry(self, number: int) -> int | None:
        """Writes a refused write again, over the row as it is now, and behind it what depends on it.

        Returns its new number, or None if the row has the values already. What depends on it and cannot be written
        again is refused, with the reason. Many are retried or discarded fastest in one batch.

        Raises:
            OutboxError: There is no such write, or it was not refused.
            WriteRefusedError: It breaks a rule of the model.
        """
        return self._writer.retry(number)

    def edit(self, number: int, values: Mapping[str, object]) -> int | None:
        """Retries a refused write with other values: these replace or join what it set.

        A value whose column is gone from the device is left out if `values` have None for it; else WriteRefusedError
        names it, as it does in `retry`.
        """
        return self._writer.retry(number, values)

    def discard(self, number: int) -> None:
        """Gives a refused write up, and with a creation all writes to its row. Raises OutboxError as `retry` does."""
        self._writer.discard(number)

    # -- Reading -------------------------------------------------------------------------------------------------------

    def query(self, sql: str, parameters: SqlParameters = ()) -> list[sqlite3.Row]:
        """Runs one statement that reads, and returns all rows. Raises sqlite3.Error if SQLite refuses it.

        Within a batch, what it has written is seen.
        """
        with self._reading() as connection:
            return connection.execute(sql, parameters).fetchall()

    def fetch(self, fetch_xml: str, caller: Caller | None = None) -> list[sqlite3.Row]:
        """Answers a FetchXML query from the local rows. Columns are named as the query's attributes or aliases.

        Args:
            fetch_xml: A `<fetch>`; docs/device.md lists what devices support.
            caller: Who asks, for operators like `eq-userid` and `today`; None: the user of this device.

        Raises FetchError, whose `reason` is the one that a server gives to such a filter.
        """
        with self._reading() as connection:
            return Fetch(connection, caller).rows(fetch_xml)

    @property
    def user(self) -> User | None:
        """Whose device it is, as the server told with the last model; None before the first sync."""
        with self._readers.reading() as connection:
            serialized = read_facts(connection).model
        return CarriedModel.parse(serialized).user if serialized else None

    def connection(self) -> sqlite3.Connection:
        """Opens a read-only connection of the caller's own, to use in this thread and to close.

        Rows are `sqlite3.Row`. A statement sees the database as of one commit, and so does a transaction.
        """
        return open_read_only(self._path, self._key)

    def status(self, *, verify: bool = False) -> Status:
        """Says what the database holds and where it stands, also while it syncs.

        With `verify`, every digest is made anew from the rows' ordinals and LSNs, which takes about a second for a
        million rows.
        """
        return read_status(self._path, self._key, verify=verify)

    @property
    def wiped(self) -> Wipe | None:
        """That an administrator has had this device wiped, if so: it holds nothing and syncs no more."""
        with self._readers.reading() as connection:
            return Wipe.parse(read_facts(connection).wipe)

    @property
    def activity(self) -> Activity:
        """What the device is doing now: its overall state, progress, what waits."""
        return self._monitor.activity

    def on_activity(self, listener: Callable[[Activity], object]) -> Callable[[], None]:
        """Calls `listener` whenever `activity` changes, in the thread where it happens. Returns what ends that.

        What it raises is logged.
        """
        return self._monitor.listen(listener)

    def activities(self) -> Activities:
        """Changes of `activity` to iterate over, until they or the device are closed."""
        return Activities(self._monitor)

    # -- Syncing -------------------------------------------------------------------------------------------------------

    def sync(
        self, progress: Callable[[Progress], object] | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> SyncResult:
        """Uploads the outbox, makes the database equal to the view of this moment, and returns what that took.

        Failures that pass by themselves are retried a few times; what is committed is never fetched again. `progress`
        is called in this thread after every event; what it raises ends the sync. If writes cannot be uploaded for a
        reason that does not pass, rows are brought up to date all the same, and the reason is raised then.

        Raises:
            SyncRunningError: A sync or a live stream of this Device is running, or this thread is in a batch.
            RemoteError: The server refused, or could not be reached; its subclasses say how.
            TokenError: There is no token that a call could carry.
            DeviceWipedError: An administrator has had this device wiped, now or before.
            ProtocolError: The server broke the contract.
            DigestMismatchError: Rows disagree with the server even after they were fetched anew.
            StoreError: The database cannot be written.
        """
        return self._sync(progress, Tally(clock))

    def _sync(
        self, progress: Callable[[Progress], object] | None, tally: Tally, *, asks_again: bool = True
    ) -> SyncResult:
        self._take_turn()
        try:
            self._wiper.resume()
            self._monitor.begin()
            for _ in range(ROUNDS_MAX):
                epoch = self._store.facts().epoch
                refusal = self._drain(tally)
                has_lost = self._download(tally, progress, asks_again=asks_again)
                # What the server took in an epoch that is over may be lost, too: it is asked again.
                has_lost |= epoch not in (b"", self._store.facts().epoch)
                if refusal or not (has_lost or self._resolve()):
                    break
            if refusal:
                raise refusal
            return tally.result()
        except (UnavailableError, NotProvisionedError) as error:
            self._monitor.lose(error)
            raise
        except Exception as error:  # What the application raised when it was asked, too.
            self._monitor.fail(self._obeyed(error))
            raise
        finally:
            self._syncing.release()
            self._monitor.end()

    def upload(self) -> None:
        """Takes the outbox to the server, without a sync. Raises as `sync` does."""
        self._take_turn()
        try:
            self._wiper.resume()
            self._monitor.begin_upload()
            if refusal := self._drain(Tally(time.monotonic)):
                raise refusal
        except (UnavailableError, NotProvisionedError) as error:
            self._monitor.lose(error)
            raise
        except Exception as error:
            self._monitor.fail(self._obeyed(error))
            raise
        finally:
            self._syncing.release()
            self._monitor.end()

    def wipe(self) -> None:
        """Deletes every row and every write that waits. A next sync fetches what the user may have, but no write again.

        Raises SyncRunningError as `sync` does.
        """
        self._take_turn()
        try:
            self._store.begin_session()
            self._store.commit([KeepCookie(b"")])
            self._store.wipe()
        finally:
            self._syncing.release()
        self._monitor.count()

    def live(self, *, events_max: int = EVENTS_MAX) -> Live:
        """Begins to follow the view in a thread of its own, and uploads at once what is written; returns at once.

        Args:
            events_max: How many events wait for a reader before the oldest are dropped.

        Raises:
            SyncRunningError: A sync or a live stream of this Device is running, or this thread is in a batch.
            DeviceWipedError: An administrator has had this device wiped before.
        """
        self._take_turn()
        try:
            self._wiper.resume()
            synchronizer, uploader = self._synchronizer(sync_pb2.SYNC_MODE_LIVE), self._uploader(retries_max=None)
            self._live = Live(
                synchronizer,
                uploader,
                self._monitor,
                self._syncing.release,
                events_max=events_max,
                on_error=self._obeyed,
                refresh=self._reporter.refresh,
                resolve=self._resolve,
            )
        except BaseException:
            self._syncing.release()
            raise
        return self._live

    def keep_synced(self) -> Keeper:
        """Syncs in a thread of its own whenever an entity is as old as its item lets it get, and uploads after writes.

        Returns at once. What was synced when the device was last open counts; `Keeper.sync_now` does not wait. Failures
        are states: see `activity`. A device with a live stream needs none of this.
        """
        if self._keeper and self._keeper.running:
            raise SyncRunningError("this device is kept in sync already; stop that first")
        work = Work(
            sync=self._sync_kept,
            upload=self.upload,
            interrupt=self._interrupt,
            due=self._due,
            jitter=random.random,
            hang_up=self._transport.hang_up,
            has_written=self._monitor.look,
            waits=self._tell_wait,
        )
        self._keeper = Keeper(work, self._backoff)
        return self._keeper

    def accept_model_change(self) -> None:
        """Lets the tables change that were told to wait.

        At once beside a live stream or if the device is kept in sync, else at the next sync.
        """
        self._gate.accept()
        if self._keeper:
            self._keeper.sync_now()

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection to read with: within a batch the batch's, which alone sees its rows."""
        return self._writer.reading() if self._writer.is_in_batch else self._readers.reading()

    def _on_written(self) -> None:
        """The write is in the database: nothing that comes of telling so may look as if it were not."""
        tell(self._monitor.look)
        if self._live and self._live.running:
            self._live.upload_now()
        elif self._keeper:
            self._keeper.upload_now()

    def _sync_kept(self) -> bool:
        """A sync that nobody waits for. Returns whether the device is as its application wants it."""
        result = self._sync(None, Tally(time.monotonic), asks_again=False)
        return result.complete or result.model_waiting

    def _download(
        self, tally: Tally, progress: Callable[[Progress], object] | None, *, asks_again: bool = True
    ) -> bool:
        """Brings rows up to date; returns whether the server has lost writes that it had taken."""
        has_lost = False
        synchronizer = self._synchronizer(sync_pb2.SYNC_MODE_ONCE, asks_again=asks_again)
        with closing(synchronizer.run()) as happenings:
            for happening in happenings:
                tally.take(happening)
                moved = self._monitor.take(happening)
                if progress and moved:
                    progress(moved)
                has_lost |= isinstance(happening, Applied) and bool(happening.answered and happening.answered.again)
        return has_lost

    def _resolve(self) -> bool:
        """Asks the application about conflicts. Returns whether something was written that can be uploaded."""
        decide = self._on_conflict
        if decide is None or not (conflicts := self._writer.conflicts()):
            return False
        decided = [(conflict, decide(conflict)) for conflict in conflicts]
        written = [self._writer.resolve(conflict, values) and bool(values) for conflict, values in decided]
        return any(written)

    def _drain(self, tally: Tally) -> RemoteError | None:
        """Uploads; returns why that could not be, if it was not the network: rows can be brought up to date then."""
        uploader = self._uploader(retries_max=RETRIES_MAX)
        try:
            for happening in uploader.drain():
                tally.take_upload(happening)
                self._monitor.take_upload(happening)
        except QueueFullError as error:
            return error
        except UnavailableError:
            raise
        except RemoteError as error:
            return error
        return None

    def _obeyed(self, error: _Error) -> _Error:
        """Does what an error demands of the device."""
        if isinstance(error, DeviceWipedError):
            self._wiper.obey(error)
            self._monitor.count(stage=Stage.REGISTERED, entity="", fraction=0.0, seconds_left=None)
        return error

    def _synchronizer(self, mode: sync_pb2.SyncMode, *, asks_again: bool = True) -> Synchronizer:
        synchronizer = Synchronizer(
            self._store,
            self._writer,
            self._transport,
            mode,
            self._backoff,
            app=self._app,
            gate=self._gate,
            asks_again=asks_again,
            report=self._reporter.report,
        )
        self._running = synchronizer
        return synchronizer

    def _uploader(self, *, retries_max: int | None) -> Uploader:
        uploader = Uploader(
            self._writer,
            self._transport,
            self._backoff,
            app=self._app,
            retries_max=retries_max,
            report=self._reporter.report,
        )
        self._running = uploader
        return uploader

    def _interrupt(self) -> None:
        """Ends the sync or upload that runs now."""
        if self._running:
            self._running.stop()

    def _tell_wait(self, seconds: float | None) -> None:
        if not self._syncing.locked():  # Else somebody is at work, and says so.
            self._monitor.wait(seconds)

    def _due(self, cut: float) -> Due:
        with self._readers.reading() as connection:
            return read_due(connection, int(time.time() * MICROS_PER_SECOND), cut=cut)

    def _take_turn(self) -> None:
        if self._turn.is_mine:
            raise SyncRunningError("this thread is in a batch of writes; end it first")
        if not self._syncing.acquire(blocking=False):
            raise SyncRunningError("this device is already syncing; stop the live stream, or let the other call end")
