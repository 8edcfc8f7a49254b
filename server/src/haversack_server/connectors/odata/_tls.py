"""Whom a client of a service trusts, and what it says of those whom it does not."""

from __future__ import annotations

import ssl

from haversack_server.connectors.odata._settings import OdataSettings
from haversack_server.errors import SourceInvalid


def authorities(settings: OdataSettings) -> ssl.SSLContext:
    """Trusts the authorities of `ca_file`, or the system's; raises SourceInvalid for a file that has none."""
    try:
        return ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise SourceInvalid(f"{settings.ca_file} is no file of authorities: {error}; give a PEM file") from error


def refuse_untrusted(address: str, error: BaseException) -> None:
    """Raises SourceInvalid if a request failed because of whom it met: waiting does not make anybody trusted."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise SourceInvalid(
                f"{address} shows a certificate that is not trusted: {cause.verify_message}; name its authority in"
                " `ca_file`, or correct the address"
            ) from error
        cause = cause.__cause__ or cause.__context__
