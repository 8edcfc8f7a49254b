"""All commands, put together."""

from __future__ import annotations

from collections.abc import Callable

import typer

from haversack_server.cli import (
    _admins,
    _apps,
    _ask,
    _audit,
    _backups,
    _demo,
    _devices,
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
    _sources,
    _sync_errors,
    _teams,
    _tls,
    _token,
    _users,
    _work,
)
from haversack_server.cli._order import in_order

SERVER = "Run a server"
DATA = "Organizations, and what is in them"
DEVICES = "What devices carry"
PEOPLE = "Who may see what"
OPERATION = "Keep it going"

app = typer.Typer(
    name="haversack",
    help="Haversack's server: decides which rows each device carries, and streams them there.",
    epilog="Exit codes: 0 done; 1 refused or failed; 2 misused. Every command has --help with an example.",
    cls=in_order(
        "serve token demo"
        " org source entity ingest schema"
        " profile app ask filter solution"
        " user team role share unit position"
        " device work sync-error admin audit backup restore tls doctor"
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _command(name: str, function: Callable[..., None], panel: str, *, example: str) -> None:
    app.command(name, epilog=f"Example: {example}", rich_help_panel=panel)(function)


_command("serve", _serve.serve, SERVER, example="haversack serve --dev --data haversack-data")
_command(
    "token", _token.token, SERVER, example="haversack token --user 4103c891-37e8-4dfc-aeac-b55e2bc1be1c --org acme"
)
_command("demo", _demo.demo, SERVER, example="haversack demo --data-set examples/field_service")

app.add_typer(_organizations.app, name="org", rich_help_panel=DATA)
app.add_typer(_sources.app, name="source", rich_help_panel=DATA)
app.add_typer(_entities.app, name="entity", rich_help_panel=DATA)
_command(
    "ingest",
    _ingest.ingest,
    DATA,
    example="haversack ingest accounts.csv more-accounts.csv.gz --org acme --entity account",
)
app.add_typer(_schema.app, name="schema", rich_help_panel=DATA)

for group in (_profile_publishing.app, _profiles_as_code.app):
    _profiles.app.add_typer(group)
app.add_typer(_profiles.app, name="profile", rich_help_panel=DEVICES)
app.add_typer(_apps.app, name="app", rich_help_panel=DEVICES)
app.add_typer(_ask.app, name="ask", rich_help_panel=DEVICES)
app.add_typer(_filters.app, name="filter", rich_help_panel=DEVICES)
app.add_typer(_solutions.app, name="solution", rich_help_panel=DEVICES)

app.add_typer(_users.app, name="user", rich_help_panel=PEOPLE)
app.add_typer(_teams.app, name="team", rich_help_panel=PEOPLE)
app.add_typer(_roles.app, name="role", rich_help_panel=PEOPLE)
app.add_typer(_shares.app, name="share", rich_help_panel=PEOPLE)
app.add_typer(_places.units, name="unit", rich_help_panel=PEOPLE)
app.add_typer(_places.positions, name="position", rich_help_panel=PEOPLE)

app.add_typer(_devices.app, name="device", rich_help_panel=OPERATION)
app.add_typer(_work.app, name="work", rich_help_panel=OPERATION)
app.add_typer(_sync_errors.app, name="sync-error", rich_help_panel=OPERATION)
app.add_typer(_admins.app, name="admin", rich_help_panel=OPERATION)
_command("audit", _audit.audit, OPERATION, example="haversack audit --org acme --since 7d")
app.add_typer(_backups.app, name="backup", rich_help_panel=OPERATION)
_command(
    "restore",
    _backups.restore,
    OPERATION,
    example="haversack restore /backups/monday --data /var/lib/haversack",
)
app.add_typer(_tls.app, name="tls", rich_help_panel=OPERATION)
_command("doctor", _doctor.doctor, OPERATION, example="haversack doctor --data /var/lib/haversack")
