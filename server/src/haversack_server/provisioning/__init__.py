"""Provisioning: giving organizations a staging database that devices sync with, and taking it away, durably.

`machine` is the whole of what is legal, as one table. `Requests` is what administrators ask for: each is one
transaction that moves an organization along that table and leaves an operation behind. A `Worker` carries operations
out, step by step (`steps`), under leases, so that whatever dies, another worker goes on. `Activation` has this process
serve what the catalog says. `Status` tells where things stand, again and again to those who watch.
"""

from haversack_server.provisioning.activation import Activation
from haversack_server.provisioning.parts import Parts
from haversack_server.provisioning.requests import TERMS, TERMS_TEXT, Requests
from haversack_server.provisioning.status import Status
from haversack_server.provisioning.worker import Worker

__all__ = ["TERMS", "TERMS_TEXT", "Activation", "Parts", "Requests", "Status", "Worker"]
