from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from sanctum_messaging.observability.histogram import Histogram
from sanctum_messaging.observability.metrics import Reading, render_readings

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def shown(*readings: Reading) -> Samples:
    families = text_string_to_metric_families(render_readings(readings).decode())
    return {(each.name, tuple(sorted(each.labels.items()))): each.value for one in families for each in one.samples}


def test_a_histogram_counts_each_value_in_every_bucket_whose_bound_it_does_not_exceed() -> None:
    histogram = Histogram((1.0, 2.5))
    for value in (0.5, 1.0, 2.0, 7.0):
        histogram.observe(value)

    assert shown(Reading("wait_seconds", "Waits.", lambda: histogram, "histogram")) == {
        ("sanctum_wait_seconds_bucket", (("le", "1.0"),)): 2,
        ("sanctum_wait_seconds_bucket", (("le", "2.5"),)): 3,
        ("sanctum_wait_seconds_bucket", (("le", "+Inf"),)): 4,
        ("sanctum_wait_seconds_count", ()): 4,
        ("sanctum_wait_seconds_sum", ()): 10.5,
    }


def test_a_reading_may_have_several_labels() -> None:
    reading = Reading("requests", "Asked.", lambda: {("GET", "200"): 3, ("GET", "404"): 1}, label=("method", "status"))

    assert shown(reading) == {
        ("sanctum_requests_total", (("method", "GET"), ("status", "200"))): 3,
        ("sanctum_requests_total", (("method", "GET"), ("status", "404"))): 1,
    }


def test_a_histogram_may_be_one_of_each_label() -> None:
    histograms = {"read": Histogram((1.0,)), "send": Histogram((1.0,))}
    histograms["send"].observe(3)

    counts = shown(Reading("seconds", "Took.", lambda: histograms, "histogram", label="use"))

    assert counts["sanctum_seconds_count", (("use", "send"),)] == 1
    assert counts["sanctum_seconds_bucket", (("le", "1.0"), ("use", "read"))] == 0
