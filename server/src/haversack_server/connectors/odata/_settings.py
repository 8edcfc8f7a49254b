"""What an administrator says of an OData service: where it is, how to sign in, and how hard to ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from haversack_server.errors import SourceInvalid
from haversack_server.places import is_loopback

PAGE_ROWS_MAX = 5_000
"""Rows of one page: the most that Dataverse gives (Microsoft, "Page results using OData")."""

REQUESTS_AT_ONCE_MAX = 52
"""Requests at once: where Dataverse begins to refuse them (Microsoft, "Service protection API limits")."""

REQUESTS_AT_ONCE = 8
"""Requests at once unless said otherwise."""

INTERVAL_SECONDS = 10
"""From one look for changes to the next, unless said otherwise: half of Dataverse's allowance for 100 entities."""

SignIn = Literal["client-credentials", "bearer", "none"]

CallerHeader = Literal["MSCRMCallerID", "CallerObjectId"]
"""How a request says for whom it acts: by `systemuserid`, or by the user's id in Microsoft Entra."""

_KNOWN = frozenset(
    "url auth token_url client_id scope ca_file page_size concurrency impersonate caller_header entities push_filters"
    " interval_seconds reconcile_minutes overlap_seconds".split()
)


@dataclass(frozen=True, kw_only=True)
class OdataSettings:
    """How an OData service is used.

    Attributes:
        url: The service root, with a `/` at its end: what `$metadata` is appended to.
        auth: How to sign in: OAuth 2 client credentials, a token that was given, or not at all.
        token_url: Where client credentials are exchanged for a token.
        client_id: Who asks there.
        scope: What for; of Dataverse, the service's origin with `/.default`, which is the default.
        ca_file: A PEM file of the authorities that the service's certificate is checked with, in place of the system's.
        page_size: Rows of a page, 1 to 5,000.
        concurrency: Requests at once, 1 to 52.
        impersonate: Whether writes are made for the user who wrote, by `caller_header`.
        caller_header: How they say for whom.
        entities: Patterns of the logical names that are taken, as `fnmatch` reads them; empty: what the service offers.
        push_filters: Whether organization filters limit what is read, where that loses nothing.
        interval_seconds: From the end of one look for changes to the next, of each entity. Each look is a request, and
            Dataverse allows 6,000 of them in 5 minutes.
        reconcile_minutes: How often deletions are looked for where the service does not tell of them.
        overlap_seconds: How far a watermark reads back, for clocks that differ and transactions that take long.
    """

    url: str
    auth: SignIn = "none"
    token_url: str = ""
    client_id: str = ""
    scope: str = ""
    ca_file: str = ""
    page_size: int = PAGE_ROWS_MAX
    concurrency: int = REQUESTS_AT_ONCE
    impersonate: bool = False
    caller_header: CallerHeader = "MSCRMCallerID"
    entities: tuple[str, ...] = field(default=())
    push_filters: bool = True
    interval_seconds: int = INTERVAL_SECONDS
    reconcile_minutes: int = 60
    overlap_seconds: int = 300

    @property
    def origin(self) -> str:
        """Scheme, host and port of the service."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def address(self) -> str:
        """The service root in one spelling."""
        return _spelled(self.url)

    @property
    def recipients(self) -> frozenset[str]:
        """Where secrets are sent: the identity provider, and the service with what it gives for them."""
        return frozenset(_spelled(it) for it in (self.url, self.token_url) if it)


def read_settings(source: Mapping[str, Any]) -> OdataSettings:
    """Reads the settings of a source of kind `odata`; raises SourceInvalid, which says what would be right."""
    unknown = sorted(set(source) - _KNOWN)
    if unknown:
        raise SourceInvalid(
            f"a source of kind odata has no setting {unknown[0]!r}; there are {', '.join(sorted(_KNOWN))}"
        )
    url = _address(source, "url")
    auth = _choice(source, "auth", get_args(SignIn), "none")
    settings = OdataSettings(
        url=url if url.endswith("/") else url + "/",
        auth=auth,  # type: ignore[arg-type]  # one of the names, as was checked
        token_url=_address(source, "token_url") if auth == "client-credentials" else "",
        client_id=_text(source, "client_id", required=auth == "client-credentials"),
        scope=_text(source, "scope"),
        ca_file=_text(source, "ca_file"),
        page_size=_number(source, "page_size", PAGE_ROWS_MAX, 1, PAGE_ROWS_MAX),
        concurrency=_number(source, "concurrency", REQUESTS_AT_ONCE, 1, REQUESTS_AT_ONCE_MAX),
        impersonate=_flag(source, "impersonate", False),
        caller_header=_choice(source, "caller_header", get_args(CallerHeader), "MSCRMCallerID"),  # type: ignore[arg-type]
        entities=_patterns(source),
        push_filters=_flag(source, "push_filters", True),
        interval_seconds=_number(source, "interval_seconds", INTERVAL_SECONDS, 1, 24 * 3600),
        reconcile_minutes=_number(source, "reconcile_minutes", 60, 1, 7 * 24 * 60),
        overlap_seconds=_number(source, "overlap_seconds", 300, 0, 24 * 3600),
    )
    return settings


def _address(source: Mapping[str, Any], name: str) -> str:
    """An address that secrets may be sent to: https, or on this machine."""
    text = _text(source, name, required=True)
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise SourceInvalid(
            f"{name} is no address: {error}; give one like https://org.crm.dynamics.com/api/data/v9.2/"
        ) from error
    if parts.username or parts.password:
        raise SourceInvalid(f"{name} has a user or a password in it; leave them out, and give secrets as secrets")
    if parts.query or parts.fragment:
        raise SourceInvalid(f"{name} has a query or a fragment; give the address without it")
    if parts.scheme == "https" and host:
        return text
    if parts.scheme == "http" and is_loopback(f"{host}:80"):
        return text
    raise SourceInvalid(f"{name} must be an https address (http is for this machine alone), and is {text!r}")


def spelled_origin(parts: SplitResult) -> str:
    """Scheme, host and port in one spelling: the host in lower case, the port always told. Raises ValueError."""
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _spelled(url: str) -> str:
    """An address in one spelling."""
    parts = urlsplit(url)
    return f"{spelled_origin(parts)}{parts.path or '/'}"


def _text(source: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    value = source.get(name)
    if value is None or value == "":
        if required:
            raise SourceInvalid(f"a source of kind odata needs the setting {name}")
        return ""
    if not isinstance(value, str):
        raise SourceInvalid(f"the setting {name} must be text")
    return value


def _choice(source: Mapping[str, Any], name: str, choices: tuple[str, ...], default: str) -> str:
    value = _text(source, name) or default
    if value not in choices:
        raise SourceInvalid(f"the setting {name} is {value!r}; it must be one of {', '.join(choices)}")
    return value


def _number(source: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = source.get(name, default)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise SourceInvalid(f"the setting {name} must be a whole number from {least:,} to {most:,}")
    return value


def _flag(source: Mapping[str, Any], name: str, default: bool) -> bool:
    value = source.get(name, default)
    if isinstance(value, str):
        value = {"true": True, "yes": True, "false": False, "no": False}.get(value.lower(), value)
    if not isinstance(value, bool):
        raise SourceInvalid(f"the setting {name} must be true or false")
    return value


def _patterns(source: Mapping[str, Any]) -> tuple[str, ...]:
    value = source.get("entities", ())
    if isinstance(value, str):
        value = [it.strip() for it in value.split(",") if it.strip()]
    if not isinstance(value, list | tuple) or not all(isinstance(it, str) for it in value):
        raise SourceInvalid("the setting entities must list logical names or patterns of them, like account or new_*")
    return tuple(value)
