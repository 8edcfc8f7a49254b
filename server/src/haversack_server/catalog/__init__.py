"""The catalog: what the control plane remembers, in SQL. SQLite by default; PostgreSQL is a URL away.

`Catalog` opens it and migrates it. The modules `organizations`, `entities`, `profiles`, `apps` and `publishes`
have the queries, as functions that take the connection of a transaction that `Catalog.begin` opened. Messages of the
contract (`Entity`, `Profile`, `Model`) are stored serialized: SQL holds what is looked up by, no second form of the
rest.
"""

from haversack_server.catalog import apps, entities, organizations, profiles, publishes
from haversack_server.catalog._catalog import Catalog

__all__ = ["Catalog", "apps", "entities", "organizations", "profiles", "publishes"]
