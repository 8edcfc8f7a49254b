"""The catalog: what the control plane remembers, in SQL. SQLite by default; PostgreSQL is a URL away.

`Catalog` opens it and migrates it; `_database` says what transactions promise. The modules `organizations`, `entities`,
`profiles`, `publishes`, `provisioning`, `operations` and `work_items` have the queries, as functions that take the
connection of a transaction that `Catalog.begin` or `Catalog.snapshot` opened. Messages of the contract (`Entity`,
`Profile`, `Model`) are stored serialized: SQL holds what is looked up by, no second form of the rest.
"""

from haversack_server.catalog import (
    entities,
    leases,
    operations,
    organizations,
    profiles,
    provisioning,
    publishes,
    work_items,
)
from haversack_server.catalog._bells import OPERATIONS_BELL, ORGANIZATIONS_BELL, Bell, provisioning_bell
from haversack_server.catalog._catalog import Catalog

__all__ = [
    "OPERATIONS_BELL",
    "ORGANIZATIONS_BELL",
    "Bell",
    "Catalog",
    "entities",
    "leases",
    "operations",
    "organizations",
    "profiles",
    "provisioning",
    "provisioning_bell",
    "publishes",
    "work_items",
]
