"""The server's numbers in Prometheus' form, of both endpoints on one page.

docs/operating.md tells what each means; a test compares the two.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

STATISTICS_SECONDS = 10.0
"""How old the sync endpoint's numbers may be: counting them looks at every bitmap."""

CALL_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60)

_ORGANIZATION_GAUGES = {
    "streams": "Streams of an organization's devices that are open.",
    "loaded": "Whether an organization's index is in memory.",
    "lsn": "Position in an organization's commit order that its index has reached.",
    "revision": "Revision that an organization's devices follow.",
    "rows": "Rows in an organization's index.",
    "index_bytes": "Memory that an organization's index takes.",
    "live_views": "Views that an organization's live streams follow.",
    "devices": "Devices that an organization knows.",
    "devices_seen_hour": "Devices of an organization that called within the last hour.",
    "devices_seen_day": "Devices of an organization that called within the last day.",
    "devices_failing": "Devices of an organization whose last sync or upload failed, as they say.",
    "devices_blocked": "Devices of an organization that are blocked.",
    "devices_wipe_pending": "Devices of an organization that are to be wiped.",
    "devices_wiped": "Devices of an organization that were wiped.",
}


class CallMetrics:
    """Calls of the admin endpoint."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "haversack_admin_calls", "Calls of the admin endpoint that ended.", ("rpc", "outcome"), registry=registry
        )
        self._seconds = Histogram(
            "haversack_admin_call_seconds", "How long they took.", ("rpc",), buckets=CALL_SECONDS, registry=registry
        )
        self._under_way = Gauge("haversack_admin_calls_under_way", "Calls that go on.", registry=registry)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Counts a call that goes on while the block runs."""
        with self._under_way.track_inprogress():
            yield

    def ended(self, rpc: str, outcome: str, seconds: float) -> None:
        """Counts a call that has ended with OK or a reason."""
        self._calls.labels(rpc, outcome).inc()
        self._seconds.labels(rpc).observe(seconds)


class Metrics:
    """Everything on the page.

    Attributes:
        calls: Calls of the admin endpoint.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self.calls = CallMetrics(self._registry)
        self._certificate = Gauge(
            "haversack_certificate_ends_seconds",
            "When the certificate in use ends, in seconds since the Unix epoch; 0 without TLS.",
            registry=self._registry,
        )

    def add_sync(self, statistics: Callable[[], str]) -> None:
        """Shows the sync endpoint's numbers; `statistics` is `SyncServer.statistics`."""
        self._registry.register(_SyncCollector(statistics))

    def add_issuers(self, states: Callable[[], list[tuple[str, int, float]]]) -> None:
        """Shows issuers: name, number of keys, and age of the keys in seconds of each."""
        self._registry.register(_IssuerCollector(states))

    def certificate_ends(self, at_seconds: float) -> None:
        """Takes when the certificate in use ends."""
        self._certificate.set(at_seconds)

    def page(self) -> bytes:
        """Returns the page."""
        return generate_latest(self._registry)


class _SyncCollector(Collector):
    """Asks the sync endpoint, at most every so often."""

    def __init__(self, statistics: Callable[[], str]) -> None:
        self._statistics = statistics
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {}
        self._known_until = float("-inf")

    def describe(self) -> list[GaugeMetricFamily]:
        """Names are known without asking."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields what the endpoint said last."""
        known = self._asked()
        yield GaugeMetricFamily("haversack_sync_streams", "Streams of devices that are open.", known["streams"])
        for name, meaning in _ORGANIZATION_GAUGES.items():
            family = GaugeMetricFamily(f"haversack_sync_organization_{name}", meaning, labels=("organization",))
            for each in known["organizations"]:
                family.add_metric((each["name"],), float(each[name] or 0))
            yield family

    def _asked(self) -> dict[str, Any]:
        with self._lock:
            if time.monotonic() >= self._known_until:
                self._known = json.loads(self._statistics())
                self._known_until = time.monotonic() + STATISTICS_SECONDS
            return self._known


class _IssuerCollector(Collector):
    def __init__(self, states: Callable[[], list[tuple[str, int, float]]]) -> None:
        self._states = states

    def describe(self) -> list[GaugeMetricFamily]:
        """Names are known without asking."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields every issuer's state."""
        keys = GaugeMetricFamily("haversack_issuer_keys", "Keys of an issuer that are believed.", labels=("issuer",))
        ages = GaugeMetricFamily(
            "haversack_issuer_keys_age_seconds", "Since when an issuer's keys were fetched last.", labels=("issuer",)
        )
        for name, number, age in self._states():
            keys.add_metric((name,), number)
            ages.add_metric((name,), age)
        yield keys
        yield ages
