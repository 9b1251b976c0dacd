"""What the service counts comes out under the names that docs/serve.md gives."""

from __future__ import annotations

from vlp_rvos.serving.service_metrics import ServiceMetrics


def test_values_come_out_in_the_format_of_prometheus() -> None:
    metrics, waiting = ServiceMetrics(), [2]
    metrics.watch(lambda: waiting[0], lambda: 1, lambda: 3)
    metrics.frames.inc(5)
    metrics.shed.inc()
    metrics.shared.inc(2)
    metrics.failures.labels("400").inc()
    metrics.waited.observe(0.3)
    metrics.seconds.labels("zip").observe(7)
    lines = metrics.text().decode().splitlines()
    assert {
        "vlp_rvos_queue_length 2.0",
        "vlp_rvos_running 1.0",
        "vlp_rvos_videos 3.0",
        "vlp_rvos_frames_total 5.0",
        "vlp_rvos_shed_total 1.0",
        "vlp_rvos_shared_total 2.0",
        'vlp_rvos_failures_total{status="400"} 1.0',
        'vlp_rvos_queue_seconds_bucket{le="0.25"} 0.0',
        'vlp_rvos_queue_seconds_bucket{le="0.5"} 1.0',
        'vlp_rvos_request_seconds_bucket{le="5.0",output="zip"} 0.0',
        'vlp_rvos_request_seconds_bucket{le="10.0",output="zip"} 1.0',
    } <= set(lines)
    waiting[0] = 0
    assert "vlp_rvos_queue_length 0.0" in metrics.text().decode().splitlines()


def test_two_services_count_for_themselves() -> None:
    first, second = ServiceMetrics(), ServiceMetrics()
    first.shed.inc()
    assert "vlp_rvos_shed_total 0.0" in second.text().decode().splitlines()
