"""OData v4 services, Dataverse first: rows and directory in, devices' writes back out.

    connect() --> OdataSource --metadata()--> $metadata (CSDL) + EntityDefinitions --> documents
                      |--open()--> OdataFeed --pages--> Rust, one position for each entity
                      |            DerivedFeed: roles' privileges and users' settings
                      |--write()-> Writer: conditional requests, read back when in doubt
                      `--check()-> findings

Sources of what Dataverse does: docs/sources-odata.md.
"""

from haversack_server.connectors.odata._settings import OdataSettings
from haversack_server.connectors.odata._source import KIND, OdataSource, connect

__all__ = ["KIND", "OdataSettings", "OdataSource", "connect"]
