"""All commands, put together."""

from __future__ import annotations

import typer

from haversack_server.cli import (
    _admins,
    _apps,
    _ask,
    _audit,
    _demo,
    _doctor,
    _entities,
    _filters,
    _ingest,
    _organizations,
    _places,
    _profile_publishing,
    _profiles,
    _profiles_as_code,
    _provisioning,  # noqa: F401 - adds commands to `org`
    _roles,
    _schema,
    _serve,
    _shares,
    _solutions,
    _sync_errors,
    _teams,
    _tls,
    _token,
    _users,
    _work,
)

app = typer.Typer(
    name="haversack",
    help="Haversack's server: decides which rows each device carries, and streams them there.",
    epilog="Exit codes: 0 done; 1 refused or failed; 2 misused.",
    no_args_is_help=True,
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
for group in (_profile_publishing.app, _profiles_as_code.app):
    _profiles.app.add_typer(group)
app.add_typer(_profiles.app, name="profile")
app.add_typer(_apps.app, name="app")
app.add_typer(_ask.app, name="ask")
app.add_typer(_filters.app, name="filter")
app.add_typer(_schema.app, name="schema")
app.add_typer(_solutions.app, name="solution")
app.add_typer(_work.app, name="work")
app.add_typer(_sync_errors.app, name="sync-error")
app.add_typer(_users.app, name="user")
app.add_typer(_teams.app, name="team")
app.add_typer(_places.units, name="unit")
app.add_typer(_places.positions, name="position")
app.add_typer(_roles.app, name="role")
app.add_typer(_shares.app, name="share")
app.add_typer(_admins.app, name="admin")
app.command("audit", epilog="Example: haversack audit --org acme --since 7d")(_audit.audit)
app.add_typer(_tls.app, name="tls")
app.command("doctor", epilog="Example: haversack doctor --data /var/lib/haversack")(_doctor.doctor)
app.command("demo", epilog="Example: haversack demo --data-set examples/field_service")(_demo.demo)
