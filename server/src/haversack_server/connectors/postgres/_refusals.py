"""PostgreSQL's errors as ours, in its own words."""

from __future__ import annotations

from psycopg import Error, errors

from haversack_server.connectors.postgres._settings import Settings
from haversack_server.errors import (
    HaversackError,
    Refusal,
    SourceInvalid,
    SourceNotReady,
    SourceRefused,
    SourceUnavailable,
)

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

_NOT_READY = frozenset("0A 0L 0P 39 3F 42".split())
"""Classes in which what is set up does not fit: a table, a column, a function or a type is missing or another one. No
device can do anything about that, and administrators can."""

_RULES = ("ExecWithCheckOptions", "exec_stmt_raise")
"""Where PostgreSQL refuses by row-level security, and where functions in PL/pgSQL raise what they like. A missing
privilege has the same state, and messages are in the server's language; the place in PostgreSQL's source is told with
both."""

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


def refusal(error: Error, *, as_user: bool) -> HaversackError:
    """Returns what a failed write means; `as_user` says whether it was made as a role of the user's own.

    Then a missing privilege is the user's: FORBIDDEN, as what policies and triggers forbid always is. A lost connection
    and a server that is going down are tried again. What an administrator has to mend keeps the write waiting: a
    privilege of Haversack's own, a table or column that is not there. All else is INVALID: a constraint, a bad value,
    what a trigger raises.
    """
    message = told(error)
    state = error.sqlstate
    if isinstance(error, errors.InsufficientPrivilege):
        is_rule = as_user or error.diag.source_function in _RULES
        return SourceRefused(Refusal.FORBIDDEN, message) if is_rule else not_ready(error)
    if state is None or state[:2] in _NOT_THE_WRITE_S:
        return SourceUnavailable(f"the database did not take a write: {message}; it is tried again")
    if state[:2] in _NOT_READY:
        return not_ready(error)
    return SourceRefused(Refusal.INVALID, message)


def not_ready(error: Error) -> HaversackError:
    """Returns what a failure means that has nothing to do with the write."""
    if error.sqlstate is None or error.sqlstate[:2] in _NOT_THE_WRITE_S:
        return SourceUnavailable(f"the database did not take a write: {told(error)}; it is tried again")
    return SourceNotReady(
        f"the database cannot take the write: {told(error)} [{error.sqlstate}]; mend that there, or set the mapping"
        " anew: the write waits (`haversack source check` looks at tables and privileges)"
    )


def told(error: Error) -> str:
    """Returns the database's own words, without rows that the user may not see."""
    diagnosis = error.diag
    words = diagnosis.message_primary or " ".join(str(error).split())
    is_told = diagnosis.message_detail and not isinstance(error, _FAILING_ROW)
    detail = f" ({diagnosis.message_detail})" if is_told else ""
    constraint = f" [{diagnosis.constraint_name}]" if diagnosis.constraint_name else ""
    return f"{words}{detail}"[:WORDS_MAX] + constraint
