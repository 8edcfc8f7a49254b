"""What `haversack doctor` checks. Nothing here changes anything; every check says what to do about what it finds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import shutil
import socket
import ssl
import stat
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import newest_schema, open_engine, provisioning, read_url, without_password
from haversack_server.catalog import organizations as stored_organizations
from haversack_server.catalog import sources as stored_sources
from haversack_server.catalog.sources import StoredSource
from haversack_server.connectors import CONNECTORS
from haversack_server.endpoints import Endpoints, reachable
from haversack_server.errors import HaversackError
from haversack_server.places import RESTORING_MARKER
from haversack_server.sealing import KEY_FILE, Seal
from haversack_server.security import Certificate, CertificateFiles
from haversack_server.settings import IssuerSettings, ServerSettings, TlsSettings, load_settings
from haversack_server.trust import fetch_keys

SPACE_BYTES_MIN = 1024**3
RENEWAL_DAYS = 30
SKEW_SECONDS_MAX = 30.0
"""Clocks that differ by more make tokens begin or end at the wrong time."""

POSTGRESQL_VERSION_MIN = 15
CONNECT_SECONDS_MAX = 5.0
HANDSHAKE_ROUNDS = 4
"""Turns after which two ends in memory have said everything."""

ORGANIZATIONS_SHOWN_MAX = 1_000
SQLITE_HEADER = b"SQLite format 3\0"


class State(StrEnum):
    """How something is."""

    GOOD = "ok"
    DOUBTFUL = "warning"
    BAD = "FAILED"


@dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes:
        state: How it is.
        what: What was checked.
        found: What was found.
        advice: What to do; empty if nothing.
    """

    state: State
    what: str
    found: str
    advice: str = ""

    def as_json(self) -> dict[str, str]:
        """Returns it for programs."""
        return {"state": self.state.name, "what": self.what, "found": self.found, "advice": self.advice}


async def examine(data: Path, config: Path | None) -> list[Finding]:
    """Checks everything that the settings of a data folder lead to."""
    findings = [_versions()]
    try:
        settings = load_settings(data, config, {})
        settings.check()
    except HaversackError as error:
        return [*findings, Finding(State.BAD, "settings", str(error), "mend the settings; the rest depends on them")]
    mode = f"{settings.mode.value} mode"
    advice = "for one machine alone; see docs/operating.md for production" if settings.development else ""
    findings.append(Finding(State.DOUBTFUL if settings.development else State.GOOD, "settings", mode, advice))
    findings += _data_folder(settings.data)
    findings += [it async for it in _catalog(settings)]
    findings += await asyncio.to_thread(lambda: list(_source_keys(settings.data)))
    findings += await asyncio.to_thread(lambda: [*_tls(settings), *_addresses(settings)])
    for issuer in settings.issuers:
        findings += [it async for it in _issuer(issuer, settings.data)]
    return findings


def _versions() -> Finding:
    versions = ", ".join(f"{name} {_version(name)}" for name in ("haversack-server", "grpcio", "sqlalchemy"))
    found = f"{versions}, Python {platform.python_version()}, {ssl.OPENSSL_VERSION}"
    return Finding(State.GOOD, "versions", found)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed as a package)"


def _data_folder(data: Path) -> Iterator[Finding]:
    what = f"data folder {data}"
    if not data.is_dir():
        yield Finding(
            State.DOUBTFUL, what, "it is not there", "`haversack serve` makes it; check --data if it should be"
        )
        return
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(State.BAD, what, "it cannot be read and written", "run as its owner, or change its rights")
        return
    if (data / RESTORING_MARKER).exists():
        advice = "wait for it; if it was broken off, `haversack restore` it again"
        yield Finding(State.BAD, what, "a backup is being restored into it, and no server starts", advice)
    if data.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding(State.DOUBTFUL, what, "others on this machine can look into it", f"chmod 700 {data}")
    else:
        yield Finding(State.GOOD, what, "its owner alone can use it")
    free = shutil.disk_usage(data).free
    enough = free >= SPACE_BYTES_MIN
    advice = "" if enough else "make room: staging databases grow with their organizations"
    yield Finding(State.GOOD if enough else State.DOUBTFUL, "space", f"{free / 1024**3:.1f} GiB are free", advice)


async def _catalog(settings: ServerSettings) -> AsyncIterator[Finding]:
    what = "catalog"
    file = settings.data / "catalog.sqlite3"
    if not settings.database_url and not file.exists():
        yield Finding(State.DOUBTFUL, what, "it is not there", "`haversack serve` makes it")
        return
    try:
        engine = open_engine(read_url(settings.catalog_url))
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX), engine.connect() as connection:
                async for finding in _schema(connection):
                    yield finding
                if engine.dialect.name == "postgresql":
                    yield await _postgresql(connection)
                organizations = await stored_organizations.all_by_name(connection)
                served = await provisioning.all_served(connection)
                outside = await stored_sources.everything(connection)
        finally:
            await engine.dispose()
    except (HaversackError, SQLAlchemyError, OSError, TimeoutError, ModuleNotFoundError) as error:
        cause = without_password(error, read_url(settings.catalog_url)) or type(error).__name__
        yield Finding(State.BAD, what, f"it does not answer: {cause}", "check HAVERSACK_DATABASE and the database")
        return
    for each in outside[:ORGANIZATIONS_SHOWN_MAX]:
        yield await _source(each, Seal(settings.data))
    for it in organizations[:ORGANIZATIONS_SHOWN_MAX]:
        yield _rows(f"record database of {it.name}", settings.data / it.record_path)
    for one in served[:ORGANIZATIONS_SHOWN_MAX]:
        if one.staging_path is not None:
            yield _rows(f"staging database of {one.organization}", settings.data / one.staging_path)


async def _source(stored: StoredSource, seal: Seal) -> Finding:
    """Whether a source outside can be opened with what is stored of it; it is not asked anything."""
    what = f"source of {stored.organization}"
    connect = CONNECTORS.get(stored.kind)
    if connect is None:
        return Finding(State.BAD, what, f"this version has no sources of kind {stored.kind}", "install one that has")
    try:
        secrets = seal.open(stored.organization, stored.sealed_secrets)
        await connect(stored.settings, secrets, stored.mapping).close()
    except HaversackError as error:
        advice = f"`haversack source add {stored.organization}` sets it anew"
        return Finding(State.BAD, what, str(error), advice)
    if stored.is_paused:
        advice = f"`haversack source resume {stored.organization}` lets it go on"
        return Finding(State.DOUBTFUL, what, f"{stored.kind}, paused", advice)
    found = f"{stored.kind}; `haversack source check {stored.organization}` asks it"
    return Finding(State.GOOD, what, found)


def _source_keys(data: Path) -> Iterator[Finding]:
    """Whether nobody else can read the keys that secrets of sources are sealed with."""
    file = data / KEY_FILE
    if file.exists() and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding(State.DOUBTFUL, "keys of sources' secrets", "others can read them", f"chmod 600 {file}")


async def _schema(connection: AsyncConnection) -> AsyncIterator[Finding]:
    """Whether the catalog has the newest schema."""
    found = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()
    newest = newest_schema()
    if found == newest:
        yield Finding(State.GOOD, "catalog", f"it answers, and its schema {found} is the newest")
    else:
        advice = "`haversack serve` migrates it; if it is newer than this version, install the newer version"
        yield Finding(State.DOUBTFUL, "catalog", f"its schema is {found}, and this version's is {newest}", advice)


async def _postgresql(connection: AsyncConnection) -> Finding:
    number = int((await connection.execute(text("SHOW server_version_num"))).scalar_one()) // 10_000
    if number < POSTGRESQL_VERSION_MIN:
        return Finding(State.BAD, "PostgreSQL", f"version {number}", f"use {POSTGRESQL_VERSION_MIN} or newer")
    return Finding(State.GOOD, "PostgreSQL", f"version {number}")


def _rows(what: str, file: Path) -> Finding:
    """Looks at a database's first bytes: opening it would get into the way of the server that has it open."""
    try:
        with file.open("rb") as opened:
            is_database = opened.read(len(SQLITE_HEADER)) == SQLITE_HEADER
        size = file.stat().st_size
    except OSError as error:
        advice = "restore it from a backup, or check the folder's rights"
        return Finding(State.BAD, what, f"{file} cannot be read: {error.strerror}", advice)
    if not is_database:
        return Finding(State.BAD, what, f"{file} is no SQLite database", "restore it from a backup")
    return Finding(State.GOOD, what, f"{size / 1024**2:.1f} MiB")


def _tls(settings: ServerSettings) -> Iterator[Finding]:
    tls = settings.tls
    if tls is None:
        yield Finding(State.DOUBTFUL, "TLS", "plain text on loopback", "give [tls] before others connect")
        return
    key_file = settings.place(tls.key_file)
    try:
        certificate = CertificateFiles(settings.place(tls.certificate_file), key_file).load(datetime.now(UTC))
    except HaversackError as error:
        yield Finding(State.BAD, "certificate", str(error), "`haversack tls dev-ca` makes one for machines of your own")
        return
    yield _lifetime(certificate)
    if key_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding(State.DOUBTFUL, "certificate's key", "others can read it", f"chmod 600 {key_file}")
    if tls.ca_file is not None:
        yield _chain(certificate, settings, tls)


def _lifetime(certificate: Certificate) -> Finding:
    found = f"for {', '.join(certificate.hosts)}, until {certificate.ends:%Y-%m-%d}"
    if certificate.ends - datetime.now(UTC) < timedelta(days=RENEWAL_DAYS):
        return Finding(State.DOUBTFUL, "certificate", found, "renew it; the running server takes the new one")
    return Finding(State.GOOD, "certificate", found)


def _chain(certificate: Certificate, settings: ServerSettings, tls: TlsSettings) -> Finding:
    """Shakes hands with the certificate in memory: a chain is good if a client says so."""
    what = "certificate's chain"
    ca_file = settings.place(tls.ca_file or Path())
    try:
        client = ssl.create_default_context(cafile=ca_file)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(settings.place(tls.certificate_file), settings.place(tls.key_file))
        _shake_hands(client, server, certificate.hosts[0])
    except (OSError, ssl.SSLError) as error:
        return Finding(State.BAD, what, f"clients refuse it: {error}", f"check that {ca_file} signed the certificate")
    return Finding(State.GOOD, what, f"clients that trust {ca_file.name} accept it")


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> None:
    """Raises SSLError if the two do not agree."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up, server_hostname=host.replace("*", "any")),
        server.wrap_bio(up, down, server_side=True),
    ]
    for _ in range(HANDSHAKE_ROUNDS):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()


def _addresses(settings: ServerSettings) -> Iterator[Finding]:
    """Whether each address is free, or served by the server of this data folder."""
    running = Endpoints.read(settings.data)
    served = {running.admin, running.sync, running.metrics} if running else set()
    addresses = {
        "admin endpoint": settings.admin_listen,
        "sync endpoint": settings.sync_listen,
        "metrics": settings.metrics_listen,
    }
    for what, listen in addresses.items():
        if listen:
            yield _address(what, listen, mine=listen in served)


def _address(what: str, listen: str, *, mine: bool) -> Finding:
    host, _, port = reachable(listen).rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS_MAX):
            answers = True
    except (OSError, ValueError):
        answers = False
    if mine:
        if answers:
            return Finding(State.GOOD, what, f"the server answers at {listen}")
        advice = "it did not stop in good order; start it again"
        return Finding(State.DOUBTFUL, what, f"the server left {listen}, and nobody answers there", advice)
    if answers:
        return Finding(State.BAD, what, f"another program listens on {listen}", "stop it, or choose another address")
    return Finding(State.GOOD, what, f"{listen} is free")


async def _issuer(issuer: IssuerSettings, data: Path) -> AsyncIterator[Finding]:
    what = f"issuer {issuer.issuer}"
    try:
        keys = await fetch_keys(issuer, data)
    except HaversackError as error:
        yield Finding(State.BAD, what, str(error), "mend its entry in the settings, or the way to it")
        return
    yield Finding(State.GOOD, what, f"{len(keys.ids)} keys with an id")
    if keys.date is None:
        return
    skew = abs(keys.date - time.time())
    if skew > SKEW_SECONDS_MAX:
        yield Finding(State.BAD, "clock", f"{skew:.0f} s away from {issuer.issuer}", "set it by NTP")
    else:
        yield Finding(State.GOOD, "clock", f"agrees with {issuer.issuer}")
