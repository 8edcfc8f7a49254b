"""Whose tokens are believed now: the issuers of the settings with the keys that they have at this moment.

Python fetches keys and the Rust core checks tokens, for both endpoints. Keys are fetched every so often, and when a
token of an administrator names one that is not known; the last good ones stay while an issuer cannot be reached, over
restarts too. A device's token with a new key is believed from the next fetch on: providers publish keys before they
use them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from haversack_server._core import CoreError, Verifier
from haversack_server.core import named
from haversack_server.errors import ConfigurationInvalid, HaversackError, TokenInvalid
from haversack_server.identity import ADMIN_AUDIENCE, ANY_ORGANIZATION, SYNC_AUDIENCE, DevelopmentIssuer
from haversack_server.settings import IssuerSettings, ServerSettings
from haversack_server.trust._key_sets import KeySet, fetch_keys, parse_key_set

UNKNOWN_KEY_SECONDS_MIN = 10.0
"""Tokens that name unknown keys make an issuer be asked at most so often."""

FILE_SECONDS = 5.0
"""How often a file of keys is read: it costs nothing, and who changes it expects it."""

FAILED_SECONDS = 15.0
"""When an issuer that could not be reached is asked again, at the latest."""

START_SECONDS_MAX = 5.0
"""How long a start waits for issuers; who is late is asked again while the server runs."""

KEYS_FOLDER = "keys"

_log = structlog.get_logger()


@dataclass
class IssuerKeys:
    """An issuer and what is known of its keys.

    Attributes:
        settings: The issuer.
        keys: Its keys; None until some were had.
        fetched_at: When they were fetched last, in seconds of the monotonic clock; None if they were not.
        tried_at: When that was tried last.
        failure: Why the last try failed; empty if it did not.
    """

    settings: IssuerSettings
    keys: KeySet | None = None
    fetched_at: float | None = None
    tried_at: float = float("-inf")
    failure: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def due_at(self) -> float:
        """When keys are to be fetched next, by the monotonic clock."""
        pause = FILE_SECONDS if self.settings.jwks_file else self.settings.refresh_seconds
        return self.tried_at + (min(pause, FAILED_SECONDS) if self.failure else pause)


class Trust:
    """The issuers that both endpoints believe. Belongs to the event loop that starts it."""

    def __init__(self, settings: ServerSettings, development: DevelopmentIssuer | None) -> None:
        self._data = settings.data
        self._development = development
        self.issuers = [IssuerKeys(it) for it in settings.issuers]
        self._by_name = {it.settings.issuer: it for it in self.issuers}
        self._verifier = Verifier("[]")
        self._changed: Callable[[str], Awaitable[None]] | None = None

    async def start(self) -> None:
        """Gets every issuer's keys: fresh ones, or else the last good ones. An issuer without any is logged."""
        for issuer in self.issuers:
            issuer.keys = _kept(self._kept_file(issuer))
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                await asyncio.gather(*(self._fetch(it) for it in self.issuers))
        except TimeoutError:
            _log.warning("issuers are slow to answer; the server starts with the keys that it has")
        self._build()

    async def follow(self, changed: Callable[[str], Awaitable[None]]) -> None:
        """Fetches keys when they are due, until cancelled; `changed` gets the sync endpoint's issuers when they do."""
        self._changed = changed
        while True:
            due = min((it.due_at for it in self.issuers), default=time.monotonic() + FAILED_SECONDS)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            await asyncio.gather(*(self._refresh(it) for it in self.issuers if it.due_at <= now))

    async def claims(self, token: str) -> dict[str, Any]:
        """Returns the claims of an administrator's token; raises TokenInvalid or TokenExpired."""
        header, claimed = _peek(token)
        issuer = self._by_name.get(str(claimed.get("iss", "")))
        if issuer is not None:
            await self._learn(issuer, header)
            if issuer.keys is None:
                raise TokenInvalid(f"the keys of {issuer.settings.issuer} could not be had yet; try again later")
        audiences = _admin_audiences(issuer.settings) if issuer else (ADMIN_AUDIENCE,)
        return self._verified(token, audiences)

    def sync_issuers(self) -> str:
        """Returns the issuers that the sync endpoint believes, as JSON."""
        entries = [_sync_entry(it.settings, it.keys) for it in self.issuers if it.keys]
        return json.dumps([*self._development_entry(SYNC_AUDIENCE), *entries])

    def _verified(self, token: str, audiences: tuple[str, ...]) -> dict[str, Any]:
        """One audience is enough: what is wrong is said of the last."""
        refusal: CoreError | None = None
        for audience in audiences:
            try:
                claims: dict[str, Any] = json.loads(self._verifier.verify(token, audience, int(time.time())))
                return claims
            except CoreError as error:
                refusal = error
        if refusal is None:
            raise TokenInvalid("the token is for no audience that is known here")
        raise named(refusal) from refusal

    async def _learn(self, issuer: IssuerKeys, header: dict[str, Any]) -> None:
        """Fetches an issuer's keys if a token names one that is not known, and this has not just been done."""
        kid = header.get("kid")
        known = issuer.keys is not None and (not isinstance(kid, str) or kid in issuer.keys.ids)
        if not known and time.monotonic() - issuer.tried_at >= UNKNOWN_KEY_SECONDS_MIN:
            await self._refresh(issuer)

    async def _refresh(self, issuer: IssuerKeys) -> None:
        before = issuer.keys.text if issuer.keys else ""
        asked_at = time.monotonic()
        async with issuer.lock:
            if issuer.tried_at < asked_at:
                await self._fetch(issuer)
        if issuer.keys is not None and issuer.keys.text != before:
            self._build()
            _log.info("an issuer has other keys", issuer=issuer.settings.issuer, keys=sorted(issuer.keys.ids))
            if self._changed is not None:
                await self._changed(self.sync_issuers())

    async def _fetch(self, issuer: IssuerKeys) -> None:
        """Fetches an issuer's keys; where that fails, those that are there stay."""
        issuer.tried_at = time.monotonic()
        try:
            keys = await fetch_keys(issuer.settings, self._data)
            Verifier(json.dumps([_sync_entry(issuer.settings, keys)]))
        except (HaversackError, CoreError) as error:
            issuer.failure = str(error)
            _log.warning("keys could not be had", issuer=issuer.settings.issuer, cause=issuer.failure)
            return
        issuer.failure, issuer.fetched_at = "", time.monotonic()
        if issuer.keys is None or issuer.keys.text != keys.text:
            issuer.keys = keys
            _keep(self._kept_file(issuer), keys)

    def _build(self) -> None:
        entries = [_admin_entry(it.settings, it.keys) for it in self.issuers if it.keys]
        self._verifier = Verifier(json.dumps([*self._development_entry(ADMIN_AUDIENCE), *entries]))

    def _development_entry(self, audience: str) -> list[dict[str, str]]:
        return self._development.trust(audience) if self._development else []

    def _kept_file(self, issuer: IssuerKeys) -> Path:
        name = hashlib.sha256(issuer.settings.issuer.encode()).hexdigest()[:32]
        return self._data / KEYS_FOLDER / f"issuer-{name}.json"


def _admin_audiences(issuer: IssuerSettings) -> tuple[str, ...]:
    return issuer.admin_audiences or issuer.audiences


def _entry(issuer: IssuerSettings, keys: KeySet, audiences: tuple[str, ...], user_claim: str) -> dict[str, Any]:
    return {
        "issuer": issuer.issuer,
        "audiences": list(audiences),
        "keys": json.loads(keys.text),
        "algorithms": list(issuer.algorithms),
        "user_claim": user_claim,
        "leeway_seconds": issuer.leeway_seconds,
    }


def _admin_entry(issuer: IssuerSettings, keys: KeySet) -> dict[str, Any]:
    """An administrator's organizations come from roles, so the token need not name one."""
    entry = _entry(issuer, keys, _admin_audiences(issuer), issuer.subject_claim)
    return entry | {"organization": ANY_ORGANIZATION}


def _sync_entry(issuer: IssuerSettings, keys: KeySet) -> dict[str, Any]:
    organization = (
        {"organization": issuer.organization}
        if issuer.organization
        else {"organization_claim": issuer.organization_claim}
    )
    return _entry(issuer, keys, issuer.audiences, issuer.user_claim) | organization


def _peek(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns a token's header and claims before anybody has checked them: they only say which keys to check with."""
    try:
        header, claims = (json.loads(it) for it in _parts(token))
    except ValueError as error:
        raise TokenInvalid("the token is malformed; get a new one") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenInvalid("the token is malformed; get a new one")
    return header, claims


def _parts(token: str) -> Iterator[bytes]:
    for part in token.split(".")[:2]:
        yield base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _kept(file: Path) -> KeySet | None:
    """Returns the keys that were kept for a start without their issuer; None if there are none."""
    try:
        return parse_key_set(file.read_bytes(), str(file), {})
    except (FileNotFoundError, ConfigurationInvalid):
        return None


def _keep(file: Path, keys: KeySet) -> None:
    """Keeps keys for a start without their issuer; where that fails, such a start has none."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch = file.with_suffix(f".{os.getpid()}")
        scratch.write_text(keys.text)
        scratch.replace(file)
    except OSError as error:
        _log.warning("keys could not be kept", file=str(file), cause=str(error))
