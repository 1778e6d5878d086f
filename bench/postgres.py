"""Sends on PostgreSQL, with one writing instance and with three, against one transaction per message."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.measuring import Run, median, micros, millis, percentile, read_cpu_seconds_with_children
from bench.writers import CONNECTIONS, create_conversations, open_writers
from tests.servers.postgres import open_postgres

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from bench.writer_process import Outcome, Way
    from tests.servers.postgres import PostgresServer

SENDERS = (1, 16, 256)
INSTANCES = (1, 3)
MANY = 256
AGAINST: dict[Way, str] = {
    "one by one": f"the same statement with one message each, {CONNECTIONS} connections",
    "statement by statement": f"BEGIN, lock, checks, numbers, two inserts, COMMIT, each a statement; {CONNECTIONS}"
    " connections",
    "bare insert": "one row into a table that nobody else uses, without a lock",
}
"""Ways to send without a writer, by what they are."""
_LONE_MOST_MS = 3
_PAGE_BYTES = 8_192
_FLUSHES = 40


@dataclass(slots=True)
class Round:
    """What some instances did at the same time, and what it cost the database."""

    outcomes: Sequence[Outcome]
    database_cpu_seconds: float

    @property
    def messages(self) -> int:
        """How many were acknowledged."""
        return sum(len(each.latencies) for each in self.outcomes)

    @property
    def rate(self) -> float:
        """Acknowledged messages per second."""
        return self.messages / max(each.seconds for each in self.outcomes)

    @property
    def commits_per_message(self) -> float:
        """Commits of all of them, per message."""
        return sum(each.commits for each in self.outcomes) / self.messages

    @property
    def cpu_per_message(self) -> float:
        """The writing processes' processor time, in seconds."""
        return sum(each.cpu_seconds for each in self.outcomes) / self.messages

    @property
    def database_cpu_per_message(self) -> float:
        """All of the server's processes' processor time, in seconds."""
        return self.database_cpu_seconds / self.messages

    def latency(self, percent: int) -> float:
        """Return a percentile of the acknowledgements, in seconds."""
        return percentile([latency for each in self.outcomes for latency in each.latencies], percent)


@dataclass(slots=True)
class Case:
    """So many instances and senders: the rounds of each way."""

    instances: int
    senders: int
    rounds: dict[Way, list[Round]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called in the table."""
        each = max(1, self.senders // self.instances)
        return f"postgres: {self.instances} by {each}"

    @property
    def ways(self) -> Sequence[Way]:
        """How it sends; the slowest way with many senders only, the barest with one."""
        further: dict[int, list[Way]] = {1: ["bare insert"], MANY: ["statement by statement"]}
        return ("writer", "one by one", *further.get(self.senders, []))

    def compare(
        self,
        what: str,
        unit: str,
        read: Callable[[Round], float],
        *,
        way: Way = "one by one",
        at_most: float | None = None,
        at_least_ratio: float | None = None,
    ) -> Figure:
        """Compare medians of the rounds."""
        ours, baseline = (median([read(each) for each in self.rounds[which]]) for which in ("writer", way))
        name = f"{self.name}, {what}"
        return Figure(
            name=name,
            value=ours,
            unit=unit,
            baseline=baseline,
            against=AGAINST[way],
            at_most=at_most,
            at_least_ratio=at_least_ratio,
        )


async def measure(run: Run) -> list[Figure]:
    """Take turns between the writers and single transactions, case by case."""
    with open_postgres(durable=True) as server:
        flushes: list[float] = []
        cases = [case for count in INSTANCES for case in await _measure_instances(run, server, count, flushes)]
    figures = [figure for case in cases for figure in _figures(case)]
    flush = millis(median(flushes))
    return [*figures, Figure(name="postgres: a flush of 8 KiB to the same disk", value=flush, unit="ms")]


async def _measure_instances(run: Run, server: PostgresServer, count: int, flushes: list[float]) -> list[Case]:
    url = server.url_of(server.create_database())
    cases = [Case(count, senders) for senders in SENDERS]
    async with open_writers(count, url, await create_conversations(url)) as writers:
        for way in cases[-1].ways:
            await writers.send(way, MANY, run.seconds / 2)
        for _ in range(run.rounds):
            flushes += _time_flushes(server.folder)
            for case in cases:
                for way in case.ways:
                    result = await _measure_round(server, writers.send(way, case.senders, run.seconds))
                    case.rounds.setdefault(way, []).append(result)
    return cases


async def _measure_round(server: PostgresServer, sending: Awaitable[Sequence[Outcome]]) -> Round:
    before = read_cpu_seconds_with_children(server.pid)
    outcomes = await sending
    return Round(outcomes, read_cpu_seconds_with_children(server.pid) - before)


def _figures(case: Case) -> list[Figure]:
    is_many, is_lone = case.senders == MANY, case.senders == 1 == case.instances
    figures = [
        case.compare("acknowledged", "1/s", lambda each: each.rate, at_least_ratio=3 if is_many else None),
        case.compare("p50", "ms", lambda each: millis(each.latency(50)), at_most=_LONE_MOST_MS if is_lone else None),
        case.compare("p99", "ms", lambda each: millis(each.latency(99))),
    ]
    if is_lone:
        figures.append(case.compare("p50", "ms", lambda each: millis(each.latency(50)), way="bare insert"))
    if is_many:
        figures += [
            case.compare("acknowledged", "1/s", lambda each: each.rate, way="statement by statement"),
            case.compare("commits per message", "", lambda each: each.commits_per_message, at_most=0.05),
            case.compare("database CPU per message", "µs", lambda each: micros(each.database_cpu_per_message)),
            case.compare("writers' CPU per message", "µs", lambda each: micros(each.cpu_per_message)),
        ]
    return figures


def _time_flushes(folder: Path) -> list[float]:
    """Return how long the disk takes for what each commit waits for."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_FLUSHES):
            os.pwrite(file.fileno(), bytes(_PAGE_BYTES), 0)
            before = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - before)
    return times
