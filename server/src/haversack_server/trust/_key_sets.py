"""An issuer's keys: read from a file or fetched over HTTP, looked at before anybody relies on them."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from haversack_server.errors import ConfigurationInvalid
from haversack_server.places import is_loopback
from haversack_server.settings import IssuerSettings

DOCUMENT_BYTES_MAX = 256 * 1024
KEYS_MAX = 100
FETCH_SECONDS_MAX = 10.0
DISCOVERY_PATH = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class KeySet:
    """A JSON Web Key Set.

    Attributes:
        text: The set as JSON, without what only its owner should know.
        ids: The `kid` of each key that has one.
        date: The provider's clock when it answered, in seconds since the Unix epoch; None if it did not say.
    """

    text: str
    ids: frozenset[str]
    date: float | None = None


async def fetch_keys(issuer: IssuerSettings, data: Path) -> KeySet:
    """Reads or fetches an issuer's keys; relative paths start at the data folder.

    Raises ConfigurationInvalid if there are none to be had or they are no key set.
    """
    if issuer.jwks_file is not None:
        return read_key_file(data / issuer.jwks_file)
    try:
        context = ssl.create_default_context(cafile=data / issuer.ca_file if issuer.ca_file else None)
    except OSError as error:
        raise ConfigurationInvalid(f"{issuer.ca_file} is no file of authorities: {error}") from error
    timeout = httpx.Timeout(FETCH_SECONDS_MAX)
    async with httpx.AsyncClient(verify=context, timeout=timeout, follow_redirects=False) as client:
        url = issuer.jwks_url or await _discovered(client, issuer)
        content, headers = await _get(client, url)
    return parse_key_set(content, url, headers)


def read_key_file(path: Path) -> KeySet:
    """Reads a key set from a file; raises ConfigurationInvalid if there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(DOCUMENT_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigurationInvalid(f"{path} cannot be read: {error.strerror}; check path and rights") from error
    if len(content) > DOCUMENT_BYTES_MAX:
        raise ConfigurationInvalid(f"{path} is larger than {DOCUMENT_BYTES_MAX:,} bytes; it is no key set")
    return parse_key_set(content, str(path), {})


def parse_key_set(content: bytes, place: str, headers: Mapping[str, str]) -> KeySet:
    """Reads a key set; raises ConfigurationInvalid if it is none, or has no key."""
    keys = _document(content, place).get("keys")
    if not isinstance(keys, list) or not keys or not all(isinstance(it, dict) for it in keys):
        raise ConfigurationInvalid(f"{place} is no JSON Web Key Set: it has no `keys`; check the address")
    if len(keys) > KEYS_MAX:
        raise ConfigurationInvalid(f"{place} has {len(keys)} keys, and at most {KEYS_MAX} are taken")
    # A shared secret in a public document is nobody's secret, so such keys are no keys.
    public = [it for it in keys if it.get("kty") != "oct"]
    if not public:
        raise ConfigurationInvalid(f"{place} has only shared secrets, and keys have to be public; check the provider")
    ids = frozenset(it["kid"] for it in public if isinstance(it.get("kid"), str))
    return KeySet(json.dumps({"keys": [_without_secrets(it) for it in public]}), ids, _date(headers))


def check_address(url: str) -> None:
    """Raises ConfigurationInvalid if keys must not be fetched from there."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and is_loopback(f"{parts.hostname}:"):
        return
    raise ConfigurationInvalid(f"keys cannot be fetched from {url!r}: use https, or http on loopback")


async def _discovered(client: httpx.AsyncClient, issuer: IssuerSettings) -> str:
    """Returns where the discovery document says that the keys are."""
    place = issuer.issuer.rstrip("/") + DISCOVERY_PATH
    content, _ = await _get(client, place)
    document = _document(content, place)
    if document.get("issuer") != issuer.issuer:
        raise ConfigurationInvalid(
            f"{place} is about issuer {document.get('issuer')!r} and not {issuer.issuer!r}; write it as it does"
        )
    return str(document.get("jwks_uri", ""))


async def _get(client: httpx.AsyncClient, url: str) -> tuple[bytes, Mapping[str, str]]:
    check_address(url)
    content = b""
    try:
        async with client.stream("GET", url, headers={"accept": "application/json"}) as response:
            if response.status_code != httpx.codes.OK:
                raise ConfigurationInvalid(f"{url} answered {response.status_code}; check the address")
            async for part in response.aiter_bytes():
                content += part
                if len(content) > DOCUMENT_BYTES_MAX:
                    raise ConfigurationInvalid(f"{url} sent more than {DOCUMENT_BYTES_MAX:,} bytes; it is no key set")
            return content, response.headers
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        cause = str(error) or type(error).__name__
        raise ConfigurationInvalid(f"{url} could not be fetched: {cause}; check that the provider is up") from error


def _document(content: bytes, place: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise ConfigurationInvalid(f"{place} is not JSON: {error}; check the address") from error
    if not isinstance(document, dict):
        raise ConfigurationInvalid(f"{place} is not a JSON object; check the address")
    return document


def _without_secrets(key: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")}


def _date(headers: Mapping[str, str]) -> float | None:
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None
