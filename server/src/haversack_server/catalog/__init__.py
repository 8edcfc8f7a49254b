"""The catalog: what the control plane remembers, in SQL. SQLite by default; PostgreSQL is a URL away.

`Catalog` opens it and migrates it. The modules `organizations`, `entities`, `profiles`, `publishes`, `grants` and
`audits` have the queries, as functions that take the connection of a transaction that `Catalog.begin` opened. Messages
of the contract (`Entity`, `Profile`, `Model`) are stored serialized: SQL holds what is looked up by, no second form of
the rest.
"""

from haversack_server.catalog import audits, entities, grants, organizations, profiles, publishes
from haversack_server.catalog._catalog import Catalog, Watcher, newest_schema, watching

__all__ = [
    "Catalog",
    "Watcher",
    "audits",
    "entities",
    "grants",
    "newest_schema",
    "organizations",
    "profiles",
    "publishes",
    "watching",
]
