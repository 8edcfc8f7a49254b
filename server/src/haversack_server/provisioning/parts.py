"""What the steps of provisioning work with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from haversack_server._core import SyncServer
from haversack_server.catalog import Catalog
from haversack_server.provisioning.activation import Activation
from haversack_server.publishing import Publisher
from haversack_server.replication import Connections
from haversack_server.stagings import Stagings


@dataclass(frozen=True)
class Parts:
    """The parts of a process that provisioning works with.

    Attributes:
        data: The data folder.
        catalog: The catalog.
        publisher: Gives models to staging databases.
        stagings: The databases of rows that the process has open.
        sync: The sync endpoint of the process.
        activation: Has that endpoint serve what the catalog says.
        connections: The open sources of the process.
    """

    data: Path
    catalog: Catalog
    publisher: Publisher
    stagings: Stagings
    sync: SyncServer
    activation: Activation
    connections: Connections
