"""The store with 64 concurrent senders: group commit against one transaction per message, and beside a busy loop."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.measuring import Run, median, micros, millis, percentile
from bench.stores import SENDER, build_draft, create_conversation, open_store
from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.app import SWITCH_INTERVAL_SECONDS
from sanctum_messaging.workers.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from sanctum_messaging.domain.events import Committed
    from sanctum_messaging.domain.model import ConversationId, MessageDraft
    from sanctum_messaging.ports.store import Store

SENDERS = 64
CONVERSATIONS = 8
_PYTHONS_SWITCH_INTERVAL_SECONDS = 0.005
_HOG_SECONDS = 0.001
"""What one callback of the busy loop takes: about as long as a fan-out to a hundred sockets."""

_clock = SystemClock()


@dataclass(slots=True)
class _Round:
    """What one round gave; ``latencies`` has one entry per append."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    commits: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def cpu_per_message(self) -> float:
        return self.cpu_seconds / len(self.latencies)


async def measure(run: Run) -> list[Figure]:
    """Take turns between the writer and single transactions; then keep the loop busy."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    async with _prepared(run) as (store, writer, conversations):
        grouped, single = [], []
        for _ in range(run.rounds):
            grouped.append(await _grouped(writer, conversations, run.seconds))
            single.append(await _send(_one_by_one(store), conversations, run.seconds))
        figures = _throughput(grouped, single)
        return figures + await _beside_a_busy_loop(writer, conversations, run)


@contextlib.asynccontextmanager
async def _prepared(run: Run) -> AsyncGenerator[tuple[Store, Writer, list[ConversationId]], None]:
    with open_store(run.folder / "store") as store:
        writer = Writer(store, _ignore, _clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(writer.run())
            conversations = [await create_conversation(store, SENDER) for _ in range(CONVERSATIONS)]
            await _grouped(writer, conversations, run.seconds / 2)
            yield store, writer, conversations
            writer.close()


def _throughput(grouped: list[_Round], single: list[_Round]) -> list[Figure]:
    transactions = "the same store and senders, one transaction per message"
    return [
        Figure(
            name="store: appends with 64 senders",
            value=median([each.rate for each in grouped]),
            unit="1/s",
            baseline=median([each.rate for each in single]),
            against=transactions,
            at_least_ratio=3,
        ),
        Figure(
            name="store: commits per message",
            value=median([each.commits / len(each.latencies) for each in grouped]),
            unit="",
            baseline=1.0,
            against=transactions,
            at_most=0.1,
        ),
        Figure(
            name="store: CPU per message",
            value=micros(median([each.cpu_per_message for each in grouped])),
            unit="µs",
            baseline=micros(median([each.cpu_per_message for each in single])),
            against=transactions,
        ),
        Figure(
            name="store: p99 of an append",
            value=millis(median([percentile(each.latencies, 99) for each in grouped])),
            unit="ms",
            baseline=millis(median([percentile(each.latencies, 99) for each in single])),
            against=transactions,
        ),
    ]


async def _beside_a_busy_loop(writer: Writer, conversations: list[ConversationId], run: Run) -> list[Figure]:
    ours, pythons = [], []
    for _ in range(run.rounds):
        ours.append(await _busy(writer, conversations, run.seconds))
        sys.setswitchinterval(_PYTHONS_SWITCH_INTERVAL_SECONDS)
        pythons.append(await _busy(writer, conversations, run.seconds))
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    return [
        Figure(
            name=f"store: p{percent} of an append, loop busy",
            value=millis(median([percentile(each.latencies, percent) for each in ours])),
            unit="ms",
            baseline=millis(median([percentile(each.latencies, percent) for each in pythons])),
            against="the same beside the same loop, with Python's own switch interval of 5 ms",
        )
        for percent in (50, 99)
    ]


async def _busy(writer: Writer, conversations: list[ConversationId], seconds: float) -> _Round:
    hog = asyncio.ensure_future(_keep_busy())
    try:
        return await _grouped(writer, conversations, seconds)
    finally:
        hog.cancel()


async def _keep_busy() -> None:
    while True:
        until = time.perf_counter() + _HOG_SECONDS
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


async def _grouped(writer: Writer, conversations: list[ConversationId], seconds: float) -> _Round:
    commits = writer.counts.commits
    result = await _send(writer.append_message, conversations, seconds)
    result.commits = writer.counts.commits - commits
    return result


def _one_by_one(store: Store) -> Callable[[MessageDraft], Awaitable[object]]:
    async def append(draft: MessageDraft) -> None:
        outcome = (await store.append_messages([draft])).results[0]
        if isinstance(outcome, Exception):
            raise outcome

    return append


async def _send(
    append: Callable[[MessageDraft], Awaitable[object]], conversations: list[ConversationId], seconds: float
) -> _Round:
    result = _Round()
    begun, cpu = time.perf_counter(), time.process_time()
    until = begun + seconds

    async def sender(conversation: ConversationId) -> None:
        while (before := time.perf_counter()) < until:
            await append(build_draft(conversation))
            result.latencies.append(time.perf_counter() - before)

    async with asyncio.TaskGroup() as tasks:
        for number in range(SENDERS):
            tasks.create_task(sender(conversations[number % len(conversations)]))
    result.seconds, result.cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu
    return result


def _ignore(_: Committed) -> None:
    """Nobody listens to the log here."""
