"""Backups: everything that a server knows, in a folder from which an empty data folder and database can be filled.

`make` copies a server while it runs, `verify` says whether a backup is whole, and `restore` fills an empty place with
it. docs/backup.md tells operators how, and why what is copied in this order fits together whatever was going on.
"""

from haversack_server.backups._making import Made, make
from haversack_server.backups._manifest import MANIFEST_FILE, Manifest, verify
from haversack_server.backups._progress import Progress, Report
from haversack_server.backups._restoring import Restored, restore

__all__ = ["MANIFEST_FILE", "Made", "Manifest", "Progress", "Report", "Restored", "make", "restore", "verify"]
