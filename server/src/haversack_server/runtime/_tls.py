"""The certificate in use, followed from its files while the server runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from haversack_server.errors import HaversackError
from haversack_server.security import Certificate, CertificateFiles
from haversack_server.settings import ServerSettings, TlsSettings

_log = structlog.get_logger()


class Tls:
    """The certificate in use. Reading it is safe in any thread."""

    def __init__(self, tls: TlsSettings, files: CertificateFiles) -> None:
        self._files = files
        self._seconds = tls.reload_seconds
        self._seen = files.signature()
        self._certificate = files.load(datetime.now(UTC))

    @classmethod
    def of(cls, settings: ServerSettings) -> Tls | None:
        """Reads the certificate of the settings; None if they have none. Raises ConfigurationInvalid."""
        tls = settings.tls
        if tls is None:
            return None
        files = CertificateFiles(settings.place(tls.certificate_file), settings.place(tls.key_file))
        return cls(tls, files)

    def certificate(self) -> Certificate:
        """Returns the certificate in use."""
        return self._certificate

    async def follow(self, changed: Callable[[Certificate], Awaitable[None]]) -> None:
        """Takes the files again when they change, until cancelled; what cannot be used is logged, and not taken."""
        while True:
            await asyncio.sleep(self._seconds)
            signature = self._files.signature()
            if signature != self._seen:
                self._seen = signature
                await self._take(changed)

    async def _take(self, changed: Callable[[Certificate], Awaitable[None]]) -> None:
        try:
            certificate = self._files.load(datetime.now(UTC))
            await changed(certificate)
        except HaversackError as error:
            _log.error("the new certificate is not taken", reason=error.reason, cause=str(error))
            return
        self._certificate = certificate
        _log.info("the certificate was renewed", ends=certificate.ends.isoformat(), hosts=certificate.hosts)
