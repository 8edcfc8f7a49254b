"""What operators look at: metrics and health over HTTP, and what `haversack doctor` checks."""

from haversack_server.operations._metrics import CallMetrics, Metrics
from haversack_server.operations._pages import Pages

__all__ = ["CallMetrics", "Metrics", "Pages"]
