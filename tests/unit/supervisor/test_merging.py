from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from sanctum_messaging.observability.histogram import Histogram
from sanctum_messaging.observability.metrics import Reading, create_render_metrics
from sanctum_messaging.supervisor.merging import merge_metrics


def rendered(*readings: Reading) -> bytes:
    return create_render_metrics(readings)()


def test_each_sample_names_its_worker_and_each_metric_is_described_once() -> None:
    awkward = 'a}b{c"d\\e\nf g\u2028h'
    first = rendered(
        Reading("sends", "Sent.\nReally.", lambda: 1),
        Reading("closes", "Ended.", lambda: {awkward: 2, "x": 3}, label="code"),
    )
    second = rendered(
        Reading("sends", "Sent.\nReally.", lambda: 4),
        Reading("lag", "Only there.", lambda: 5.5, "gauge"),
    )

    merged = merge_metrics({0: first, 7: second}).decode()

    described = [line for line in merged.split("\n") if line.startswith("#")]
    assert len(described) == len(set(described))
    ours = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(merged)
        for sample in family.samples
        if sample.name.startswith("sanctum_")
    }
    assert ours == {
        ("sanctum_sends_total", ("worker", "0")): 1,
        ("sanctum_sends_total", ("worker", "7")): 4,
        ("sanctum_closes_total", ("code", awkward), ("worker", "0")): 2,
        ("sanctum_closes_total", ("code", "x"), ("worker", "0")): 3,
        ("sanctum_lag", ("worker", "7")): 5.5,
    }


def test_the_samples_of_a_metric_stay_together() -> None:
    texts = {worker: rendered(Reading("sends", "Sent.", lambda: 1)) for worker in range(3)}

    families = [family.name for family in text_string_to_metric_families(merge_metrics(texts).decode())]

    assert len(families) == len(set(families))
    assert {"sanctum_sends", "process_resident_memory_bytes"} <= set(families)


def test_the_buckets_of_each_worker_stay_apart() -> None:
    def of(*values: float) -> bytes:
        histogram = Histogram((1.0,))
        for each in values:
            histogram.observe(each)
        return rendered(Reading("wait_seconds", "Waits.", lambda: {"a": histogram}, "histogram", label="queue"))

    merged = merge_metrics({0: of(0.5, 2), 1: of(3)}).decode()

    samples = [sample for family in text_string_to_metric_families(merged) for sample in family.samples]
    counts = {each.labels["worker"]: each.value for each in samples if each.name == "sanctum_wait_seconds_count"}
    assert counts == {"0": 2, "1": 1}
    assert len([each for each in samples if each.labels.get("le") == "1.0"]) == 2


def test_of_nobody_there_is_nothing() -> None:
    assert merge_metrics({}) == b""
