"""Limits per caller of the admin endpoint: calls in a second, and calls at once."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from haversack_server.errors import LimitReached

CALLERS_MAX = 10_000
"""Callers that are remembered; beyond, whoever has not called for longest begins anew."""

BUSY_RETRY_SECONDS = 1.0
"""When a caller with too many calls at once may try again: nobody knows when one of them ends."""


@dataclass
class _Account:
    """What a caller has left. `tokens` is what there was at `counted_at`, in seconds of the limiter's clock."""

    tokens: float
    counted_at: float
    calls: int = 0


class Limiter:
    """A token bucket and a count of calls for each caller."""

    def __init__(
        self,
        *,
        requests_per_second: float,
        burst: int,
        calls_at_once: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = requests_per_second
        self._burst = burst
        self._calls_at_once = calls_at_once
        self._clock = clock
        self._accounts: OrderedDict[tuple[str, str], _Account] = OrderedDict()

    @contextmanager
    def call(self, issuer: str, subject: str) -> Iterator[None]:
        """Counts a call of a caller while the block runs; raises LimitReached, with when to try again."""
        account = self._account((issuer, subject))
        self._take(account, subject)
        if account.calls >= self._calls_at_once:
            raise LimitReached(
                f"{subject} has {account.calls} calls under way, and {self._calls_at_once} may go on at once; wait for "
                "one to end",
                retry_seconds=BUSY_RETRY_SECONDS,
            )
        account.calls += 1
        try:
            yield
        finally:
            account.calls -= 1

    def _account(self, key: tuple[str, str]) -> _Account:
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account(float(self._burst), self._clock())
            if len(self._accounts) > CALLERS_MAX:
                self._accounts.popitem(last=False)
        self._accounts.move_to_end(key)
        return account

    def _take(self, account: _Account, subject: str) -> None:
        now = self._clock()
        account.tokens = min(self._burst, account.tokens + (now - account.counted_at) * self._rate)
        account.counted_at = now
        if account.tokens < 1:
            wait = (1 - account.tokens) / self._rate
            raise LimitReached(
                f"{subject} calls more than {self._rate:g} times a second; try again in {wait:.3f} s",
                retry_seconds=wait,
            )
        account.tokens -= 1
