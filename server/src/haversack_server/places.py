"""Where things are when nobody says otherwise, and the variables that say so. Light, for the command line."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path

DATA_VARIABLE = "HAVERSACK_DATA"
DATABASE_VARIABLE = "HAVERSACK_DATABASE"
CONFIG_VARIABLE = "HAVERSACK_CONFIG"

DATA_DEFAULT = Path("haversack-data")
CONFIG_NAME = "haversack.toml"
"""The configuration in a data folder, if it has one."""

RESTORING_MARKER = Path(".restoring")
"""In a data folder that a backup is being restored into: no server starts there until it is whole."""

ADMIN_LISTEN_DEFAULT = "127.0.0.1:7420"
SYNC_LISTEN_DEFAULT = "127.0.0.1:7421"
METRICS_LISTEN_DEFAULT = "127.0.0.1:7422"

DEVELOPMENT_ISSUER = "haversack-development"
"""Name of the issuer that `haversack token` signs as; nobody else may bear it."""


def data_folder(chosen: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Returns the data folder: as chosen, else by HAVERSACK_DATA, else `haversack-data` where we are."""
    return chosen or Path(environment.get(DATA_VARIABLE, "") or DATA_DEFAULT)


def database_url(environment: Mapping[str, str] = os.environ) -> str:
    """Returns the catalog's URL by HAVERSACK_DATABASE; empty means the default."""
    return environment.get(DATABASE_VARIABLE, "")


def is_loopback(listen: str) -> bool:
    """Whether "host:port" can be reached from this machine alone."""
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
