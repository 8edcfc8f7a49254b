"""The admin endpoint: the services of `haversack.admin.v1`, health and reflection, on grpc.aio.

Every call passes `Guard`, which lets in who has the role that the call needs, records what changes something, and turns
every failure into a status with its reason. The services check what a request says, and leave the work to `metadata`,
`publishing` and the core.
"""

from haversack_server.admin._guard import Guard
from haversack_server.admin._local import grant_locally
from haversack_server.admin._server import AdminServer

__all__ = ["AdminServer", "Guard", "grant_locally"]
