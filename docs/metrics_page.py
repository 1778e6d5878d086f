"""The table of metrics: a row for each reading, of whatever an instance may be made of."""  # noqa: INP001 - as generate.py

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanctum_messaging.bootstrap.readings import instance_readings
from sanctum_messaging.bootstrap.readings.bus import bus_readings
from sanctum_messaging.bootstrap.readings.identity import identity_readings
from sanctum_messaging.bootstrap.readings.limiter import limiter_readings
from sanctum_messaging.bootstrap.readings.postgres import postgres_readings
from sanctum_messaging.bootstrap.readings.process import process_readings
from sanctum_messaging.bootstrap.readings.redis import redis_readings
from sanctum_messaging.bootstrap.readings.requests import request_readings
from sanctum_messaging.bootstrap.readings.server import server_readings
from sanctum_messaging.bootstrap.readings.sqlite import sqlite_readings
from sanctum_messaging.supervisor.readings import supervisor_readings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sanctum_messaging.observability.metrics import Reading


INTRODUCTION = """# Metrics

{note}

`/metrics` shows these in Prometheus' text format, and what Prometheus' client tells of the process (`process_…`,
`python_…`). An instance shows what it is made of: the lines of SQLite or those of PostgreSQL, and those of Redis if
there is one. A histogram has `_bucket`, `_sum` and `_count`. With several workers one scrape has all of them, told
apart by the label `worker`. All labels have few values: routes by their templates, never what a client wrote.

What to alert on, and what to do then, is in [operations.md](operations.md#alerts).

"""


class _Anything:
    """Stands for every part of an instance: readings are listed here and never read."""

    def __getattr__(self, name: str) -> _Anything:
        return self

    def __call__(self, *_: object) -> _Anything:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())


def all_readings() -> list[Reading]:
    """List all that ``/metrics`` may show, beside what Prometheus' client shows of the process."""
    anything: Any = _Anything()
    return [
        *process_readings(anything, anything),
        *server_readings(anything),
        *request_readings(anything),
        *identity_readings(anything),
        *instance_readings(anything),
        *sqlite_readings(anything),
        *postgres_readings(anything),
        *bus_readings(anything),
        *redis_readings(anything),
        *limiter_readings(anything),
        *supervisor_readings(anything, anything, anything),
    ]


def metric_rows() -> Iterator[tuple[str, str, str, str]]:
    """Name each metric as it is shown, with its labels, its kind and its meaning."""
    for each in all_readings():
        labels = () if each.label is None else (each.label,) if isinstance(each.label, str) else each.label
        suffix = "_total" if each.kind == "counter" else ""
        yield f"`sanctum_{each.name}{suffix}`", " ".join(f"`{label}`" for label in labels), each.kind, each.meaning
