"""What a server is told before it starts: where its data is, and where it listens."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DATA_VARIABLE = "HAVERSACK_DATA"
DATABASE_VARIABLE = "HAVERSACK_DATABASE"

DATA_DEFAULT = Path("haversack-data")
ADMIN_LISTEN_DEFAULT = "127.0.0.1:7420"
SYNC_LISTEN_DEFAULT = "127.0.0.1:7421"
HEARTBEAT_SECONDS_DEFAULT = 15
STOP_GRACE_SECONDS_DEFAULT = 5.0


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Settings of one server process.

    Attributes:
        data: Folder of the staging databases, the development issuer's keys and, by default, the catalog.
        database_url: URL of the catalog, as postgresql://user:password@host/database; empty means SQLite in `data`.
        admin_listen: "host:port" of the admin endpoint; port 0 picks a free one.
        sync_listen: "host:port" of the sync endpoint; port 0 picks a free one.
        heartbeat_seconds: How long a live stream may be silent before the server proves that it is alive.
        stop_grace_seconds: How long calls and streams may go on after the server was told to stop.
    """

    data: Path
    database_url: str = field(default="", repr=False)
    admin_listen: str = ADMIN_LISTEN_DEFAULT
    sync_listen: str = SYNC_LISTEN_DEFAULT
    heartbeat_seconds: int = HEARTBEAT_SECONDS_DEFAULT
    stop_grace_seconds: float = STOP_GRACE_SECONDS_DEFAULT

    @property
    def catalog_url(self) -> str:
        """URL of the catalog."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'catalog.sqlite3'}"


def data_folder(chosen: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Returns the data folder: as chosen, else by HAVERSACK_DATA, else `haversack-data` where we are."""
    return chosen or Path(environment.get(DATA_VARIABLE, "") or DATA_DEFAULT)


def database_url(environment: Mapping[str, str] = os.environ) -> str:
    """Returns the catalog's URL by HAVERSACK_DATABASE; empty means the default."""
    return environment.get(DATABASE_VARIABLE, "")
