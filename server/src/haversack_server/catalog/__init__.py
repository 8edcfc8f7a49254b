"""The catalog: what the control plane remembers, in SQL. SQLite by default; PostgreSQL is a URL away.

`Catalog` opens it and migrates it; `_database` says what transactions promise. The modules `organizations`, `entities`,
`profiles`, `apps`, `publishes`, `provisioning`, `operations`, `sources`, `work_items`, `write_backs`, `grants` and
`audits` have the queries, as functions that take the connection of a transaction that `Catalog.begin` or
`Catalog.snapshot` opened. Messages of the contract (`Entity`, `Profile`, `Model`) are stored serialized: SQL holds what
is looked up by, and no second form of the rest.
"""

from haversack_server.catalog import (
    apps,
    audits,
    copies,
    entities,
    grants,
    leases,
    operations,
    organizations,
    profiles,
    provisioning,
    publishes,
    sources,
    work_items,
    write_backs,
)
from haversack_server.catalog._bells import OPERATIONS_BELL, ORGANIZATIONS_BELL, Bell, provisioning_bell
from haversack_server.catalog._catalog import Catalog, Watcher, knows_schema, migrate, newest_schema, watching
from haversack_server.catalog._database import open_engine, read_url, without_password

__all__ = [
    "OPERATIONS_BELL",
    "ORGANIZATIONS_BELL",
    "Bell",
    "Catalog",
    "Watcher",
    "apps",
    "audits",
    "copies",
    "entities",
    "grants",
    "knows_schema",
    "leases",
    "migrate",
    "newest_schema",
    "open_engine",
    "operations",
    "organizations",
    "profiles",
    "provisioning",
    "provisioning_bell",
    "publishes",
    "read_url",
    "sources",
    "watching",
    "without_password",
    "work_items",
    "write_backs",
]
