"""PostgreSQL's errors as ours, in its own words."""

from __future__ import annotations

from psycopg import Error, errors

from haversack_server.connectors.postgres._settings import Settings
from haversack_server.errors import HaversackError, Refusal, SourceInvalid, SourceRefused, SourceUnavailable

_WRONG_SETTINGS = (
    errors.InvalidPassword,
    errors.InvalidAuthorizationSpecification,
    errors.InvalidCatalogName,
)

_TLS_REFUSED = ("certificate verify failed", "server certificate for", "server does not support SSL")
"""What libpq says of a server that is not who it should be, or speaks no TLS."""

_NOT_THE_WRITE_S = frozenset("08 25 26 28 3D 40 53 55 57 58 72 F0 HV XX".split())
"""Classes of states (PostgreSQL, "Error Codes") in which the connection, the server, a foreign server or other
transactions are: the same write may go well later. All others are about the write, those among them that triggers make
up (`RAISE ... USING ERRCODE`)."""

_FAILING_ROW = (errors.NotNullViolation, errors.CheckViolation, errors.WithCheckOptionViolation)
"""Their details are whole rows ("Failing row contains ..."), with columns that the user may not see."""

WORDS_MAX = 1_000
"""Characters of the database's own words that are kept."""


def unavailable(settings: Settings, error: Error) -> HaversackError:
    """Returns why no connection was made: the settings are wrong, or nobody answers."""
    words = " ".join(str(error).split())
    said = any(it in words for it in ("password authentication failed", "no password supplied", "does not exist"))
    is_tls = any(it in words for it in _TLS_REFUSED)
    if isinstance(error, _WRONG_SETTINGS) or said or is_tls:
        return SourceInvalid(f"{settings!r} does not let us in: {words}; check url, password and sslrootcert")
    return SourceUnavailable(f"{settings!r} cannot be reached: {words}")


def refusal(error: Error) -> HaversackError:
    """Returns what a failed write means.

    A missing privilege and row-level security are FORBIDDEN; a lost connection, a lock that was not had in time and a
    server that is going down are tried again; all else is INVALID: a constraint, a bad value, what a trigger raises.
    """
    diagnosis = error.diag
    words = diagnosis.message_primary or " ".join(str(error).split())
    is_told = diagnosis.message_detail and not isinstance(error, _FAILING_ROW)
    detail = f" ({diagnosis.message_detail})" if is_told else ""
    constraint = f" [{diagnosis.constraint_name}]" if diagnosis.constraint_name else ""
    message = f"{words}{detail}"[:WORDS_MAX] + constraint
    if isinstance(error, errors.InsufficientPrivilege):
        return SourceRefused(Refusal.FORBIDDEN, message)
    state = error.sqlstate
    if state is None or state[:2] in _NOT_THE_WRITE_S:
        return SourceUnavailable(f"the database did not take a write: {message}; it is tried again")
    return SourceRefused(Refusal.INVALID, message)
