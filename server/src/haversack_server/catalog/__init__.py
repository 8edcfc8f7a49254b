"""The catalog: what the control plane remembers, in SQL. SQLite by default; PostgreSQL is a URL away.

`Catalog` opens it and migrates it; `_database` says what transactions promise. The modules `organizations`, `entities`,
`profiles` and `publishes` have the queries, as functions that take the connection of a transaction that `Catalog.begin`
or `Catalog.snapshot` opened. Messages of the contract (`Entity`, `Profile`, `Model`) are stored serialized: SQL holds
what is looked up by, no second form of the rest.
"""

from haversack_server.catalog import entities, organizations, profiles, publishes
from haversack_server.catalog._bells import ORGANIZATIONS_BELL, Bell
from haversack_server.catalog._catalog import Catalog

__all__ = ["ORGANIZATIONS_BELL", "Bell", "Catalog", "entities", "organizations", "profiles", "publishes"]
