"""A thousand messages a second in a conversation of 200 who do not read, and of a few who do.

In turn without and with them, so that both are the same run. The few tell by the system's clock how long a message
takes from its sender's socket to theirs. As long as there is room in the buffers of those who do not read, they are
written to like everybody else: that is told apart. At last they read on, and everybody's events are counted.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.measuring import Run, median, micros, millis, percentile
from bench.servers import serve
from bench.stuck_readers import Mute, Other

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.servers import Service

MUTE, OTHERS = 200, 5
PER_SECOND = 1_000
_SHARE = 0.5
"""Of what the machine gives beside its clients: fewer are sent where that is less than twice as many."""
_WARM = 22_000
"""More than are kept in memory, whoever listens: from then on it does not grow by itself."""
_TRIED = 2_000
_IN_FLIGHT = 32
_FILL = 600
"""About twice as many as the buffers of one who does not read hold."""
_MOST_MIB = MUTE * 100 / 1024
_WAIT_SECONDS = 60
_LOOK_SECONDS = 0.05
_PAGES = 'sanctum_catch_up_pages_total{source="database"}'
_AGAINST = "the same without them"


@dataclass(frozen=True, slots=True)
class Talk:
    """What a round of sends showed."""

    latencies: Sequence[float]
    rss_bytes: int
    """The most that it was meanwhile."""
    per_second: float
    server_cpu_seconds: float
    """Of one message."""


class Stage:
    """The conversation, who sends to it, and those who always read."""

    def __init__(self, service: Service, conversation: str, others: Sequence[Other]) -> None:
        self.service = service
        self._conversation = conversation
        self._others = others
        self._numbers = itertools.count()

    async def send_all(self, conversation: str, count: int, readers: int) -> float:
        """Send as fast as it goes to a conversation of so many of them; return how many that is in a second."""
        sender, begun = self._others[0], time.perf_counter()
        for number in range(count):
            if number >= _IN_FLIGHT:
                await sender.acknowledged.reach(number - _IN_FLIGHT)
            sender.send(conversation, next(self._numbers))
        await self._end(self._others[:readers], count)
        return count / (time.perf_counter() - begun)

    async def talk(self, count: int, per_second: float) -> Talk:
        """Send at a steady pace, whatever becomes of it."""
        looking = asyncio.create_task(_find_most_rss(self.service, stop := asyncio.Event()))
        cpu, begun = self.service.cpu_seconds, time.perf_counter()
        for number in range(count):
            if (early := begun + number / per_second - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            self._others[0].send(self._conversation, next(self._numbers))
        took = time.perf_counter() - begun
        latencies = await self._end(self._others, count)
        stop.set()
        return Talk(latencies, await looking, count / took, (self.service.cpu_seconds - cpu) / count)

    async def _end(self, readers: Sequence[Other], count: int) -> list[float]:
        """Wait until so many came to all who read; return how long each took."""
        async with asyncio.timeout(_WAIT_SECONDS):
            for each in readers:
                await each.events.reach(count)
            await self._others[0].acknowledged.reach(count)
        latencies = [latency for each in readers for latency in each.latencies]
        for each in readers:
            assert each.events.count == count
            each.events.count = each.acknowledged.count = 0
            each.latencies.clear()
        return latencies


async def measure(run: Run) -> list[Figure]:
    """Take turns, without those who do not read and with them."""
    mute = [f"mute-{number}" for number in range(MUTE)]
    names = [f"other-{number}" for number in range(OTHERS)]
    async with serve(run.folder / "stuck") as service:
        conversation = await service.create_conversation(names[0], [*names[1:], *mute])
        alone = await service.create_conversation(names[0])
        others = [Other() for _ in names]
        for each, name in zip(others, names, strict=True):
            await each.join(service, name)
        stage = Stage(service, conversation, others)
        await stage.send_all(alone, _WARM, readers=1)
        per_second = min(PER_SECOND, _SHARE * await stage.send_all(conversation, _TRIED, readers=OTHERS))
        count = round(per_second * (3 if run.quick else 5))
        rounds = [await _take_turns(stage, mute, count, per_second) for _ in range(run.rounds)]
        pages = await service.read_metric(_PAGES)
        for each in others:
            each.close()
    return _figures(rounds, pages)


async def _take_turns(stage: Stage, users: Sequence[str], count: int, per_second: float) -> tuple[Talk, Talk, Talk]:
    """Talk without them, while their buffers fill, and while they stand; then they read on."""
    alone = await stage.talk(count, per_second)
    mute = [Mute() for _ in users]
    for each, user in zip(mute, users, strict=True):
        await each.join(stage.service, user)
    filling = await stage.talk(_FILL, per_second)
    beside = await stage.talk(count, per_second)
    async with asyncio.timeout(_WAIT_SECONDS):
        await asyncio.gather(*(each.read_on(_FILL + count) for each in mute))
    assert all(each.events.count == _FILL + count for each in mute)
    for each in mute:
        each.close()
    return alone, filling, beside


async def _find_most_rss(service: Service, stop: asyncio.Event) -> int:
    most = 0
    while not stop.is_set():
        most = max(most, service.rss_bytes)
        await asyncio.sleep(_LOOK_SECONDS)
    return max(most, service.rss_bytes)


def _figures(rounds: Sequence[tuple[Talk, Talk, Talk]], pages: float) -> list[Figure]:
    alone, filling, standing = ([each[part] for each in rounds] for part in range(3))
    memory = max(max(filled.rss_bytes, stood.rss_bytes) - without.rss_bytes for without, filled, stood in rounds)

    def cost(talks: Sequence[Talk]) -> float:
        return micros(median([each.server_cpu_seconds for each in talks]))

    def latency(percent: int, talks: Sequence[Talk], when: str, at_most_ratio: float | None = None) -> Figure:
        ours, baseline = (
            millis(median([percentile(each.latencies, percent) for each in talk])) for talk in (talks, alone)
        )
        return Figure(
            name=f"stuck: p{percent} from a send to those who read, {when}",
            value=ours,
            unit="ms",
            baseline=baseline,
            against=_AGAINST,
            at_most_ratio=at_most_ratio,
        )

    return [
        Figure(
            name=f"stuck: messages to {MUTE} that do not read and {OTHERS} that do",
            value=median([each.per_second for each in standing]),
            unit="1/s",
        ),
        latency(50, standing, "while the others stand"),
        latency(99, standing, "while the others stand", 2),
        latency(99, filling, "while their buffers fill"),
        Figure(
            name="stuck: server CPU of a message, while the others stand",
            value=cost(standing),
            unit="µs",
            baseline=cost(alone),
            against=_AGAINST,
        ),
        Figure(
            name=f"stuck: memory of {MUTE} that do not read, at most",
            value=memory / 2**20,
            unit="MiB",
            at_most=_MOST_MIB,
        ),
        Figure(name="stuck: pages from the database", value=pages, unit="1", at_most=0),
    ]
