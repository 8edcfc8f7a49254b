"""The admin endpoint: the services of `haversack.admin.v1`, health and reflection, on grpc.aio.

Every call passes `Guard`, which lets in who has a token for administration, and turns every failure into a status with
its reason. The services check what a request says, and leave the work to `metadata`, `publishing` and the core.
"""

from haversack_server.admin._server import AdminServer

__all__ = ["AdminServer"]
