"""Settings of a PostgreSQL source: where the database is, and under which names it keeps our place in it."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import certifi
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from haversack_server.errors import SourceInvalid

PORT = 5432
PORT_MAX = 65_535
NAME = "haversack"
"""Of the slot and of the publication, where the settings do not say."""

CONNECT_SECONDS_MAX = 10

SSL_MODES = ("disable", "require", "verify-ca", "verify-full")
"""Those of libpq that never fall back to plain text."""

SYSTEM_AUTHORITIES = "system"

OPTIONS = "-c datestyle=ISO -c timezone=UTC -c intervalstyle=iso_8601 -c extra_float_digits=1 -c bytea_output=hex"
"""Texts of values as the feed reads them, whatever the role's settings are."""

_KNOWN = frozenset({"url", "sslmode", "sslrootcert", "slot", "publication"})
_IN_URL = frozenset({"host", "port", "user", "dbname", "sslmode", "sslrootcert"})
_PLAIN = re.compile(r"[a-z0-9_]{1,50}")


@dataclass(frozen=True)
class Settings:
    """Where a database is, who asks, and under which names.

    Attributes:
        host: Name or address; a folder of Unix sockets if it begins with a slash.
        port: Port.
        user: Role.
        password: Its password; empty where none is asked for.
        database: Database.
        sslmode: One of `SSL_MODES`.
        authorities: PEM file of the authorities that are trusted; None where certificates are not verified.
        slot: The replication slot; each organization needs one of its own.
        publication: The publication that is followed.
    """

    host: str
    port: int
    user: str
    password: str
    database: str
    sslmode: str
    authorities: str | None
    slot: str
    publication: str

    @property
    def address(self) -> str:
        """The database in one spelling, whoever asks."""
        return f"postgresql://{self.host.lower()}:{self.port}/{self.database}"

    def for_psycopg(self) -> dict[str, Any]:
        """Returns the parameters of a connection."""
        secret = {"sslmode": self.sslmode} | ({"sslrootcert": self.authorities} if self.authorities else {})
        known = {"host": self.host, "port": self.port, "user": self.user, "dbname": self.database}
        password = {"password": self.password} if self.password else {}
        return {
            **known,
            **password,
            **secret,
            "options": OPTIONS,
            "application_name": NAME,
            "connect_timeout": CONNECT_SECONDS_MAX,
        }

    def for_core(self) -> dict[str, Any]:
        """Returns what the core's feed is told of the connection."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.database,
            "sslmode": self.sslmode,
            "ca_file": self.authorities,
        }

    def __repr__(self) -> str:
        """Shows no password."""
        return f"{self.user}@{self.host}:{self.port}/{self.database} (sslmode={self.sslmode})"


def read_settings(settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Settings:
    """Reads settings; raises SourceInvalid with the setting that is wrong, and never with a secret."""
    unknown = sorted(settings.keys() - _KNOWN)
    if unknown:
        raise SourceInvalid(f"a PostgreSQL source has no setting {unknown[0]!r}; it has {', '.join(sorted(_KNOWN))}")
    if secrets.keys() - {"password"}:
        raise SourceInvalid("a PostgreSQL source has one secret, password")
    parts = _parts(str(settings.get("url", "")))
    sslmode = str(settings.get("sslmode") or parts.pop("sslmode", "") or _usual_mode(parts["host"]))
    if sslmode not in SSL_MODES:
        raise SourceInvalid(f"sslmode is {sslmode!r}; it must be one of {', '.join(SSL_MODES)}")
    root = str(settings.get("sslrootcert") or parts.get("sslrootcert") or SYSTEM_AUTHORITIES)
    return Settings(
        host=parts["host"],
        port=_port(parts.get("port", str(PORT))),
        user=parts["user"],
        password=secrets.get("password", ""),
        database=parts["dbname"],
        sslmode=sslmode,
        authorities=_authorities(root) if sslmode.startswith("verify") else None,
        slot=_name(settings, "slot"),
        publication=_name(settings, "publication"),
    )


def _parts(url: str) -> dict[str, str]:
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except ProgrammingError:
        # The cause would repeat the text, and a password may be in it.
        raise SourceInvalid("url is none; write postgresql://user@host:5432/database") from None
    if "password" in parts:
        raise SourceInvalid("url has a password; leave it out and give it as the secret `password`")
    others = sorted(parts.keys() - _IN_URL)
    if others:
        # Not their values: some of libpq's are secrets.
        raise SourceInvalid(f"url has {', '.join(others)}, which are not read; leave them out")
    missing = [name for name in ("host", "user", "dbname") if not parts.get(name)]
    if missing:
        raise SourceInvalid(f"url lacks {', '.join(missing)}; write postgresql://user@host:5432/database")
    if "," in parts["host"]:
        raise SourceInvalid("url has several hosts; give one, since changes are followed on one server")
    return parts


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= PORT_MAX):
        raise SourceInvalid(f"url has the port {text!r}; give one host, with a port from 1 to {PORT_MAX:,}")
    return int(text)


def _usual_mode(host: str) -> str:
    return "disable" if host.startswith("/") else "verify-full"


def _authorities(root: str) -> str:
    """Returns the PEM file of the authorities; for `system` those of this machine, or of certifi if it has none."""
    if root == SYSTEM_AUTHORITIES:
        found = ssl.get_default_verify_paths().cafile
        return found if found and Path(found).is_file() else certifi.where()
    if not Path(root).is_file():
        raise SourceInvalid(f"sslrootcert names no file: {root}; name a PEM file of authorities, or `system`")
    return root


def _name(settings: Mapping[str, Any], key: str) -> str:
    name = str(settings.get(key, NAME))
    if not _PLAIN.fullmatch(name):
        raise SourceInvalid(f"{key} is {name!r}; use at most 50 lower-case letters, digits and underscores")
    return name
