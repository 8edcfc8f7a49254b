"""All commands, put together."""

from __future__ import annotations

import typer

from haversack_server.cli import (
    _admins,
    _ask,
    _audit,
    _demo,
    _doctor,
    _entities,
    _filters,
    _ingest,
    _organizations,
    _profiles,
    _schema,
    _serve,
    _solutions,
    _tls,
    _token,
)

app = typer.Typer(
    name="haversack",
    help="Haversack's server: decides which rows each device carries, and streams them there.",
    epilog="Exit codes: 0 done; 1 refused or failed; 2 misused.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command("serve", epilog="Example: haversack serve --dev --data haversack-data")(_serve.serve)
app.command("token", epilog="Example: haversack token --user 4103c891-37e8-4dfc-aeac-b55e2bc1be1c --org acme")(
    _token.token
)
app.add_typer(_organizations.app, name="org")
app.add_typer(_entities.app, name="entity")
app.command("ingest", epilog="Example: haversack ingest accounts.csv more-accounts.csv.gz --org acme --entity account")(
    _ingest.ingest
)
app.add_typer(_profiles.app, name="profile")
app.add_typer(_ask.app, name="ask")
app.add_typer(_filters.app, name="filter")
app.add_typer(_schema.app, name="schema")
app.add_typer(_solutions.app, name="solution")
app.add_typer(_admins.app, name="admin")
app.command("audit", epilog="Example: haversack audit --org acme --since 7d")(_audit.audit)
app.add_typer(_tls.app, name="tls")
app.command("doctor", epilog="Example: haversack doctor --data /var/lib/haversack")(_doctor.doctor)
app.command("demo", epilog="Example: haversack demo --data-set examples/field_service")(_demo.demo)
