"""What a server process does: all of it, or a share. Light, since the command line's help names them."""

from __future__ import annotations

from enum import StrEnum


class ProcessRole(StrEnum):
    """A share of a server's work. Processes on one data folder and one catalog divide it among them."""

    ALL = "all"
    """Administration, devices and replication."""

    SYNC = "sync"
    """Devices alone."""

    REPLICATOR = "replicator"
    """Replication alone."""
