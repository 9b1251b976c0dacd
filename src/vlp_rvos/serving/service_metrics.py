"""What the service counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["ServiceMetrics"]

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500)


class ServiceMetrics:
    """Counters, gauges and histograms in a registry of their own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._waiting = Gauge("vlp_rvos_queue_length", "Requests that wait for a worker.", registry=registry)
        self._running = Gauge("vlp_rvos_running", "Requests that workers work on.", registry=registry)
        self._stored = Gauge("vlp_rvos_videos", "Uploaded videos on the disk.", registry=registry)
        self.seconds = Histogram(
            "vlp_rvos_request_seconds",
            "Time from the arrival of a request to the end of its answer.",
            ["output"],
            buckets=SECONDS,
            registry=registry,
        )
        self.waited = Histogram(
            "vlp_rvos_queue_seconds", "Time that a request waited for a worker.", buckets=SECONDS, registry=registry
        )
        self.frames = Counter("vlp_rvos_frames", "Frames whose masks were made, for each request.", registry=registry)
        self.failures = Counter(
            "vlp_rvos_failures", "Requests that got an error, by HTTP status.", ["status"], registry=registry
        )
        self.shed = Counter("vlp_rvos_shed", "Requests refused because the queue was full.", registry=registry)
        self.shared = Counter(
            "vlp_rvos_shared", "Requests whose frames were read together with those of another.", registry=registry
        )

    def watch(self, waiting: Callable[[], float], running: Callable[[], float], stored: Callable[[], float]) -> None:
        """Say where the gauges get their values."""
        self._waiting.set_function(waiting)
        self._running.set_function(running)
        self._stored.set_function(stored)

    def text(self) -> bytes:
        """All values, in the text format of Prometheus."""
        return generate_latest(self._registry)
