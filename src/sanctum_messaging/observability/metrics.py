"""Metrics in Prometheus' text format, read from the plain counters that each part keeps.

Counting costs an addition where it happens; names, help texts and formatting cost nothing until somebody scrapes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

RenderMetrics: TypeAlias = Callable[[], bytes]
"""Renders the metrics of this process."""
ShareMetrics: TypeAlias = Callable[[RenderMetrics], Callable[[], Awaitable[bytes]]]
"""Makes of it what renders those of all processes that serve together."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric: its name without the prefix ``sanctum_``, what it counts, and where the number is read.

    With a ``label`` the reading is a mapping from the label's values, of which there must be few, to numbers.
    """

    name: str
    meaning: str
    read: Callable[[], float | Mapping[str, float]]
    kind: Literal["counter", "gauge"] = "counter"
    label: str | None = field(default=None)

    def collect(self) -> CounterMetricFamily | GaugeMetricFamily:
        """Read the number now."""
        family = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        labels = [] if self.label is None else [self.label]
        metric = family(f"sanctum_{self.name}", self.meaning, labels=labels)
        value = self.read()
        if isinstance(value, int | float):
            metric.add_metric([], value)
        else:
            for label, each in sorted(value.items()):
                metric.add_metric([label], each)
        return metric


class _Readings:
    """A collector that asks every reading when it is asked."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = readings

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        for reading in self._readings:
            yield reading.collect()


def create_render_metrics(readings: Sequence[Reading]) -> RenderMetrics:
    """Return what renders ``/metrics``: the readings, and the process' own memory, time and descriptors."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    registry.register(_Readings(readings))
    return lambda: generate_latest(registry)


def render_readings(readings: Sequence[Reading]) -> bytes:
    """Render these readings and nothing of the process."""
    return generate_latest(_Readings(readings))


def share_with_nobody(render: RenderMetrics) -> Callable[[], Awaitable[bytes]]:
    """Show the metrics of this process, which serves alone."""

    async def render_own() -> bytes:
        return render()

    return render_own
