"""Signing in: a bearer token for every request, fetched ahead of its end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from haversack_server.connectors.odata._settings import OdataSettings
from haversack_server.connectors.odata._tls import refuse_untrusted
from haversack_server.errors import SourceInvalid, SourceUnavailable

REFRESH_AHEAD_SECONDS = 120.0
"""A token is replaced this long before it ends, so that no request begins with one that ends on its way."""

FETCH_SECONDS_MAX = 30.0
"""How long signing in may take as a whole: every request of the organization waits for it."""

LIFETIME_SECONDS_DEFAULT = 600.0
"""How long a token is used whose lifetime was not told."""

TOKEN_BYTES_MAX = 64 * 1024
"""What an answer with a token may weigh."""

WORDS_MAX = 500
"""Characters of what an identity provider says that a message repeats."""


class Credentials(Protocol):
    """Where the token of a request comes from."""

    async def token(self, http: httpx.AsyncClient, *, refused: str = "") -> str:
        """Returns a token, or "" where none is needed; `refused` is one that the service has just refused.

        Raises SourceInvalid if there is none to be had, SourceUnavailable if the identity provider does not answer.
        """


@dataclass(frozen=True)
class GivenToken:
    """A token that was given, or none."""

    value: str

    async def token(self, http: httpx.AsyncClient, *, refused: str = "") -> str:
        """See `Credentials`."""
        return self.value


class ClientCredentials:
    """OAuth 2 client credentials (RFC 6749, section 4.4): a token at a time, shared by all requests."""

    def __init__(self, settings: OdataSettings, secret: str, *, seconds_max: float = FETCH_SECONDS_MAX) -> None:
        self._settings = settings
        self._seconds_max = seconds_max
        self._secret = secret
        self._value = ""
        self._good_until = 0.0
        self._lock = asyncio.Lock()

    async def token(self, http: httpx.AsyncClient, *, refused: str = "") -> str:
        """See `Credentials`."""
        async with self._lock:
            is_old = time.monotonic() >= self._good_until
            if not self._value or is_old or self._value == refused:
                await self._fetch(http)
            return self._value

    async def _fetch(self, http: httpx.AsyncClient) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._settings.client_id,
            "client_secret": self._secret,
            "scope": self._settings.scope or f"{self._settings.origin}/.default",
        }
        url, headers = self._settings.token_url, {"Accept": "application/json"}
        try:
            async with (
                asyncio.timeout(self._seconds_max),
                http.stream("POST", url, data=form, headers=headers, follow_redirects=False) as answer,
            ):
                body = _object(await _bounded(answer))
        except (httpx.HTTPError, TimeoutError) as error:
            refuse_untrusted(url, error)
            raise SourceUnavailable(
                f"{self._settings.token_url} does not answer ({type(error).__name__}); it is tried again"
            ) from error
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise SourceUnavailable(f"{self._settings.token_url} answers {answer.status_code}; it is tried again")
        value = body.get("access_token")
        if not answer.is_success or not isinstance(value, str) or not value:
            raise SourceInvalid(
                f"{self._settings.token_url} gives client {self._settings.client_id} no token:"
                f" {_words(answer, body)}; check token_url, client_id, scope and the secret"
            )
        self._value = value
        self._good_until = time.monotonic() + _lifetime(body) - REFRESH_AHEAD_SECONDS


def _lifetime(body: Mapping[str, Any]) -> float:
    """Seconds for which a token is used; a short-lived one for at least half of its life."""
    told = body.get("expires_in")
    try:
        seconds = float(told) if isinstance(told, int | float | str) else LIFETIME_SECONDS_DEFAULT
    except ValueError:
        seconds = LIFETIME_SECONDS_DEFAULT
    return max(seconds, min(REFRESH_AHEAD_SECONDS + seconds / 2, 2 * REFRESH_AHEAD_SECONDS))


async def _bounded(answer: httpx.Response) -> bytes:
    """The body of an answer; nothing of one that is too long for a token, whoever sent it."""
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > TOKEN_BYTES_MAX:
            return b""
    return bytes(body)


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _words(answer: httpx.Response, body: Mapping[str, Any]) -> str:
    said = body.get("error_description") or body.get("error")
    return f"{answer.status_code} {said if isinstance(said, str) else ''}".strip()[:WORDS_MAX]


def credentials(settings: OdataSettings, secrets: Mapping[str, str]) -> Credentials:
    """Makes the credentials that the settings ask for; raises SourceInvalid if a secret is missing."""
    if settings.auth == "none":
        return GivenToken("")
    name = "client_secret" if settings.auth == "client-credentials" else "token"
    secret = secrets.get(name, "")
    if not secret:
        raise SourceInvalid(f"auth is {settings.auth}, which needs the secret {name}")
    return GivenToken(secret) if settings.auth == "bearer" else ClientCredentials(settings, secret)
