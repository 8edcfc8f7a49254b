"""What a device does when an administrator has ordered it to be wiped.

Rows and model go first, in the transaction that remembers the order, so that no crash and no lost network leaves them.
Then the outbox is offered to the server, if the order says so, and goes as well; then the server is told. Each part is
done again until it is done, at every sync. What stays is the file with its install id, which says that it was wiped.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from haversack.sync.v1 import report_pb2

from haversack_client._backoff import Backoff
from haversack_client._callbacks import tell
from haversack_client._errors import (
    DeviceWipedError,
    HaversackError,
    PermissionDeniedError,
    RemoteError,
    TokenError,
    UnavailableError,
)
from haversack_client._held import Wipe
from haversack_client._outbox import Outgoing
from haversack_client._session import CLIENT
from haversack_client._store import Store
from haversack_client._transport import Transport
from haversack_client._uploader import BYTES_MAX, MUTATIONS_MAX, blamed_for, upload_request

OFFERS_MAX = 3
"""How often in a row an outbox is offered that nobody answers for; then the next sync goes on."""

OFFER = "offer"
"""What the refusal's `outbox` says if the writes that wait are wanted."""


class Wiper:
    """Wipes one device. For the thread that syncs."""

    def __init__(
        self,
        store: Store,
        transport: Transport,
        backoff: Backoff,
        *,
        app: str = "",
        on_wiped: Callable[[Wipe], object] | None = None,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._store = store
        self._transport = transport
        self._backoff = backoff
        self._app = app
        self._on_wiped = on_wiped
        self._wait = wait

    @property
    def wipe(self) -> Wipe | None:
        """That the device was wiped, if it was."""
        return Wipe.parse(self._store.facts().wipe)

    def obey(self, error: DeviceWipedError) -> None:
        """Carries an order out, as far as that can be done now."""
        if self.wipe is None:
            offers = error.details.get("outbox") == OFFER
            wipe = Wipe(str(error), time.time_ns() // 1_000, offers=offers, confirmed=False)
            self._store.begin_session()
            self._store.begin_wipe(wipe)
            self._finish(wipe)
            if self._on_wiped:
                tell(self._on_wiped, self.wipe or wipe)

    def resume(self) -> None:
        """Goes on with what is left. Raises DeviceWipedError if the device was wiped."""
        known = self.wipe
        if known is None:
            return
        if not known.confirmed:
            self._store.begin_session()
            self._finish(known)
        raise DeviceWipedError(known.message, code="PERMISSION_DENIED", reason="DEVICE_WIPED")

    def _finish(self, wipe: Wipe) -> None:
        if wipe.offers and not self._offered():
            return
        self._store.finish_wipe(replace(wipe, offers=False))
        if self._confirmed():
            self._store.finish_wipe(replace(wipe, offers=False, confirmed=True))

    def _offered(self) -> bool:
        """Sends what waits, and before it what was withdrawn. Returns whether there is no more to be said about it."""
        after, failures, count_max = 0, 0, MUTATIONS_MAX
        while part := self._store.offerable(after, count_max, BYTES_MAX):
            try:
                self._send(part)
            except UnavailableError as error:
                failures += 1
                if failures >= OFFERS_MAX:
                    return False
                self._wait(self._backoff.delay_seconds(failures, error.retry_delay_seconds))
                continue
            except (RemoteError, TokenError) as error:
                reason = getattr(error, "reason", "")
                blamed = blamed_for(part.writes, error) if isinstance(error, RemoteError) else None
                if reason == "NUMBER_REUSED" and blamed:
                    self._store.number_anew(blamed.number)
                    continue
                if reason != "REQUEST_INVALID" or not blamed:
                    # Nobody wants them any more, if the server itself says so; a token that has expired says nothing.
                    return isinstance(error, PermissionDeniedError) and bool(reason)
                if len(part.writes) > 1:
                    count_max = 1  # One of them cannot be read; the others are to be known nevertheless.
                    continue
            self._store.told(part.withdrawn)
            after = part.end(after)
        return True

    def _send(self, part: Outgoing) -> None:
        request = upload_request(part, self._store.facts().user, self._app)
        self._transport.upload(request)

    def _confirmed(self) -> bool:
        install_id = self._store.facts().install_id
        request = report_pb2.ReportRequest(install_id=install_id, app=self._app, client=CLIENT, wiped=True)
        try:
            self._transport.report(request)
        except HaversackError:
            return False  # The next sync says it again.
        return True
