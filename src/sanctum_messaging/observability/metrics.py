"""Metrics in Prometheus' text format, read from the plain counters that each part keeps.

Counting costs an addition where it happens; names, help texts and formatting cost nothing until somebody scrapes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, TypeAlias

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from sanctum_messaging.observability.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.metrics_core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

RenderMetrics: TypeAlias = Callable[[], bytes]
"""Renders the metrics of this process."""
ShareMetrics: TypeAlias = Callable[[RenderMetrics], Callable[[], Awaitable[bytes]]]
"""Makes of it what renders those of all processes that serve together."""


Number: TypeAlias = float | Histogram
ByLabels: TypeAlias = Mapping[str, Number] | Mapping[tuple[str, str], Number] | Mapping[tuple[str, str, str], Number]


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric: its name without the prefix ``sanctum_``, what it counts, and where the number is read.

    With a ``label`` the reading is a mapping from the label's values, of which there must be few, to numbers; with
    several labels the mapping's keys are tuples. What is read of a ``histogram`` is a :class:`Histogram`.
    """

    name: str
    meaning: str
    read: Callable[[], Number | ByLabels]
    kind: Literal["counter", "gauge", "histogram"] = "counter"
    label: str | tuple[str, ...] | None = None

    def collect(self) -> Metric:
        """Read the number now."""
        labels = () if self.label is None else _as_tuple(self.label)
        metric = _FAMILIES[self.kind](f"sanctum_{self.name}", self.meaning, labels=labels)
        value = self.read()
        if isinstance(value, Mapping):
            for key, each in sorted(value.items()):
                _add(metric, _as_tuple(key), each)
        else:
            _add(metric, (), value)
        return metric


_FAMILIES: dict[str, type[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


def _as_tuple(values: Sequence[str]) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else tuple(values)


def _add(metric: Metric, labels: tuple[str, ...], value: Number) -> None:
    if isinstance(metric, HistogramMetricFamily) and isinstance(value, Histogram):
        bounds = (*map(floatToGoString, value.bounds), "+Inf")
        metric.add_metric(labels, list(zip(bounds, accumulate(value.counts), strict=True)), value.total)
    elif isinstance(metric, CounterMetricFamily | GaugeMetricFamily) and not isinstance(value, Histogram):
        metric.add_metric(labels, value)
    else:
        raise TypeError(metric.name)


class _Readings:
    """A collector that asks every reading when it is asked."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
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
