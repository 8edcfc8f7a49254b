"""How long to wait between calls that fail."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from haversack_client._errors import RemoteError


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after a failed call: the server's own wish, else twice as long each time.

    Attributes:
        initial_seconds: The wait after the first failure, before jitter.
        max_seconds: The longest wait, before jitter.
        jitter: Returns a number from 0.0 to 1.0; the wait is shortened by up to half with it, so that devices which
            were cut off together don't come back together. A server's own wish is lengthened instead.
    """

    initial_seconds: float = 0.5
    max_seconds: float = 60.0
    jitter: Callable[[], float] = random.random

    def delay_seconds(self, failures: int, wished: float | None) -> float:
        """The wait after this many failures in a row, from 1."""
        if wished is not None:
            return min(wished, self.max_seconds) * (1 + self.jitter() / 2)
        wait = self.initial_seconds * float(1 << min(failures - 1, 32))
        return min(wait, self.max_seconds) * (1 - self.jitter() / 2)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call failed; the next one comes after a delay."""

    error: RemoteError
    delay_seconds: float
