"""The directory: users, teams, business units, positions, roles and shares of an organization, read and changed.

All of it is rows of system entities, in the database that an organization's rows are in; nothing is kept beside them. A
change is judged on the facts that were read, and written in one commit which fails if they have changed since.
"""

from haversack_server.directory._changes import EDITS_MAX, Changed, Directory
from haversack_server.directory._facts import Facts
from haversack_server.directory._rows import Rows
from haversack_server.directory._shown import Showing

__all__ = ["EDITS_MAX", "Changed", "Directory", "Facts", "Rows", "Showing"]
