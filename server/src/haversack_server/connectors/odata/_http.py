"""Requests to an OData service: signed in, bounded in time, size and number, tried again where that is safe.

What a service answers is for the caller to judge, except for what means "later": throttling, faults of the server,
answers that were cut off. These are tried again, a few times within the call; then the call fails as
`SourceThrottled` or `SourceUnavailable`, and whoever made it comes back later.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import httpx

from haversack_server.connectors.odata._auth import Credentials
from haversack_server.connectors.odata._settings import OdataSettings, spelled_origin
from haversack_server.connectors.odata._tls import authorities, refuse_untrusted
from haversack_server.errors import SourceAnswerInvalid, SourceInvalid, SourceThrottled, SourceUnavailable

BODY_BYTES_MAX = 64 << 20
"""Bytes of an answer, unpacked; pages are asked for so that they stay far below it."""

CONNECT_SECONDS_MAX = 10.0
SILENCE_SECONDS_MAX = 60.0
"""How long a service may say nothing in the middle of an answer."""

ANSWER_SECONDS_MAX = 300.0
"""How long an answer may take as a whole."""

ATTEMPTS_MAX = 4
"""How often a request is made within one call."""

WAIT_SECONDS_MAX = 8.0
"""The longest wait within a call. What takes longer is for the queue, which has other work meanwhile."""

FIRST_WAIT_SECONDS = 0.25
"""The wait after the first failure; it doubles, and is drawn from its upper half."""

RETRY_AFTER_SECONDS_MAX = 3_600.0
"""What a service asks for beyond that is taken as this."""

WORDS_MAX = 1_000
"""Characters of a service's own message that are kept."""

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "OData-Version": "4.0",
    "OData-MaxVersion": "4.0",
}

TOO_MANY_REQUESTS = 429
UNAUTHORIZED = 401
SERVER_FAULT = 500
NOT_IMPLEMENTED = 501
UNAVAILABLE = 503


@dataclass(frozen=True)
class Answer:
    """What a service answered.

    Attributes:
        url: What was asked for; relative links start here.
        status: HTTP status.
        headers: By name, in lower case.
        body: Unpacked.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it is what was asked for."""
        return httpx.codes.is_success(self.status)

    @property
    def words(self) -> str:
        """The service's own message; its status if it gave none."""
        try:
            error = json.loads(self.body).get("error")
            said = error.get("message")
        except (ValueError, AttributeError, RecursionError):
            said = None
        if isinstance(said, Mapping):
            said = said.get("value")
        return said[:WORDS_MAX] if isinstance(said, str) and said else f"status {self.status} without a message"

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; raises SourceAnswerInvalid."""
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise SourceAnswerInvalid(f"{self.url} does not answer with JSON: {error}") from error
        if not isinstance(body, dict):
            raise SourceAnswerInvalid(f"{self.url} does not answer with a JSON object")
        return body


@dataclass(frozen=True)
class Pace:
    """Where waiting and chance come from."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random
    clock: Callable[[], float] = time.time
    """Seconds since the Unix epoch."""


class LostAnswer(SourceUnavailable):
    """A request was sent, and nobody knows whether it was carried out."""


class Client:
    """The requests of one organization to its service."""

    def __init__(self, settings: OdataSettings, credentials: Credentials, *, pace: Pace | None = None) -> None:
        self.settings = settings
        self._credentials = credentials
        self._pace = pace or Pace()
        self._room = asyncio.Semaphore(settings.concurrency)
        self._http: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Closes its connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def resolve(self, link: str, base: str = "") -> str:
        """Makes a link of the service absolute; raises SourceAnswerInvalid if it leads elsewhere.

        A link is followed with the service's token, so it may not leave the service's root.
        """
        root = urlsplit(self.settings.url)
        try:
            url = urljoin(base or self.settings.url, link)
            parts = urlsplit(url)
            same = spelled_origin(parts) == spelled_origin(root)
        except ValueError as error:
            raise SourceAnswerInvalid(f"the service sent {link[:200]!r}, which is no link: {error}") from error
        # urljoin has removed plain dots; the encoded ones are the service's to interpret, and mean nothing good.
        climbs = ".." in unquote(parts.path).split("/")
        if parts.username or parts.password or climbs or not same or not parts.path.startswith(root.path):
            raise SourceAnswerInvalid(
                f"the service sent a link to {link[:200]!r}, outside of {self.settings.url}; it is not followed:"
                " check that `url` is spelt as the service spells itself in its links"
            )
        return url

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Reads; raises SourceUnavailable or SourceThrottled, and SourceInvalid if it cannot sign in."""
        return await self._again("GET", url, headers or {}, b"")

    async def send(self, method: str, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Writes, once: what may have been carried out is not repeated. Raises as `get`, and LostAnswer."""
        typed = {**headers, "Content-Type": "application/json"} if content else dict(headers)
        async with self._room:
            answer = await self._signed(method, url, typed, content)
        wait = _retry_after(answer, self._pace.clock())
        if answer.status == TOO_MANY_REQUESTS or (answer.status == UNAVAILABLE and wait is not None):
            raise SourceThrottled(_throttled(answer, wait), retry_seconds=wait or WAIT_SECONDS_MAX)
        if answer.status >= SERVER_FAULT and answer.status != NOT_IMPLEMENTED:
            raise LostAnswer(f"{url} answers {answer.status}: {answer.words}")
        return answer

    async def _again(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        """Asks until there is an answer that does not mean "later"."""
        failure: SourceUnavailable
        for attempt in range(ATTEMPTS_MAX):
            wait: float | None = None
            try:
                async with self._room:
                    answer = await self._signed(method, url, headers, content)
                if answer.status != TOO_MANY_REQUESTS and (
                    answer.status < SERVER_FAULT or answer.status == NOT_IMPLEMENTED
                ):
                    return answer
                wait = _retry_after(answer, self._pace.clock())
                failure = (
                    SourceThrottled(_throttled(answer, wait), retry_seconds=wait or WAIT_SECONDS_MAX)
                    if answer.status == TOO_MANY_REQUESTS or wait is not None
                    else SourceUnavailable(f"{url} answers {answer.status}: {answer.words}; it is tried again")
                )
            except _Silent:
                raise
            except LostAnswer as lost:
                failure = lost
            if (wait or 0) > WAIT_SECONDS_MAX or attempt + 1 == ATTEMPTS_MAX:
                raise failure
            backoff = FIRST_WAIT_SECONDS * 2**attempt
            await self._pace.sleep(max(wait or 0.0, backoff * (1 + self._pace.chance()) / 2))
        raise AssertionError("the last attempt returns or raises")

    async def _signed(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        """Asks with a token, and with a new one if that is refused."""
        http = self._opened()
        token = await self._credentials.token(http)
        answer = await self._once(
            http.build_request(method, url, headers=_sent(headers, token), content=content or None)
        )
        if answer.status == UNAUTHORIZED and token:
            fresh = await self._credentials.token(http, refused=token)
            if fresh != token:
                again = http.build_request(method, url, headers=_sent(headers, fresh), content=content or None)
                answer = await self._once(again)
        if answer.status == UNAUTHORIZED:
            raise SourceInvalid(
                f"{self.settings.url} refuses the sign-in: {answer.words}; check `auth`, the secret, and that the"
                " application user exists there and is enabled"
            )
        return answer

    async def _once(self, request: httpx.Request) -> Answer:
        url = str(request.url)
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                answer = await self._opened().send(request, stream=True)
                try:
                    return Answer(url, answer.status_code, dict(answer.headers), await _whole(answer))
                finally:
                    await answer.aclose()
        except httpx.ConnectTimeout as error:
            raise _Silent(f"{self.settings.origin} does not answer within {CONNECT_SECONDS_MAX:.0f} s") from error
        except (httpx.ConnectError, httpx.PoolTimeout) as error:
            refuse_untrusted(self.settings.origin, error)
            # Nothing was sent, so nothing can have been carried out.
            raise _Unreached(f"{self.settings.origin} cannot be reached: {error or type(error).__name__}") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise LostAnswer(f"{url} was cut off: {type(error).__name__}: {error}; it is tried again") from error

    def _opened(self) -> httpx.AsyncClient:
        if self._http is None:
            timeout = httpx.Timeout(SILENCE_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)
            limits = httpx.Limits(max_connections=self.settings.concurrency + 1)
            self._http = httpx.AsyncClient(
                verify=authorities(self.settings), timeout=timeout, limits=limits, follow_redirects=False
            )
        return self._http


def _sent(headers: Mapping[str, str], token: str) -> dict[str, str]:
    """All headers of a request."""
    return {**_HEADERS, **headers, **({"Authorization": f"Bearer {token}"} if token else {})}


async def _whole(answer: httpx.Response) -> bytes:
    """The body of an answer, unpacked and bounded."""
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            raise SourceAnswerInvalid(
                f"{answer.url} answers with more than {BODY_BYTES_MAX >> 20} MiB; lower `page_size`"
            )
    return bytes(body)


class _Unreached(LostAnswer):
    """Nothing was sent."""


class _Silent(_Unreached):
    """Nothing was sent, and to find that out has taken long: it is not tried again within the call."""


def was_sent(lost: LostAnswer) -> bool:
    """Whether a request whose answer is missing may have been carried out."""
    return not isinstance(lost, _Unreached)


def prefer(*parts: str) -> dict[str, str]:
    """The `Prefer` header of these preferences, as headers."""
    named = [it for it in parts if it]
    return {"Prefer": ",".join(named)} if named else {}


def date_of(answer: Answer) -> float | None:
    """The service's clock when it answered, in seconds since the Unix epoch; None if it does not say."""
    return _date(answer.headers.get("date", ""))


def _retry_after(answer: Answer, now: float) -> float | None:
    """Seconds that the service asks to wait, by a number or by a date; None if it does not say.

    A date is read by the service's clock, or by ours where it does not tell its own.
    """
    text = answer.headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        date = _date(text)
        if date is None:
            return None
        told = date_of(answer)
        seconds = date - (now if told is None else told)
    return min(max(seconds, 0.0), RETRY_AFTER_SECONDS_MAX) if not math.isnan(seconds) else None


def _date(text: str) -> float | None:
    """A date of a header (RFC 9110, 5.6.7), in seconds since the Unix epoch; None if it is none."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    # "-0000" is UTC too, of somebody who does not know the zone.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _throttled(answer: Answer, wait: float | None) -> str:
    rest = f" for {wait:.0f} seconds" if wait else ""
    return f"{answer.url} asks to wait{rest}: {answer.words}; it is tried again then"
