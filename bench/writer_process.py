"""One instance as far as it appends: a writer, a store of its own and, if there is one, the bus. Obeys line by line.

The first line of its standard input is a ``Setup``, each further one an ``Order``; each is answered by a line. It ends
with its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import sys
import time
from typing import TYPE_CHECKING, Literal

import msgspec
import uvloop

from bench.one_by_one import open_bare_insert, open_one_by_one, open_statement_by_statement
from bench.stores import build_draft, open_postgres_store
from sanctum_messaging.adapters.memory.bus import LocalBus
from sanctum_messaging.adapters.postgres.database import Database
from sanctum_messaging.adapters.postgres.installation import read_installation
from sanctum_messaging.adapters.redis.bus import RedisBus
from sanctum_messaging.adapters.redis.connection import open_redis
from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.app import SWITCH_INTERVAL_SECONDS
from sanctum_messaging.domain.model import ORIGIN, ConversationId, Cursor, MessageDraft, Position
from sanctum_messaging.workers.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from sanctum_messaging.domain.events import Committed, Signal
    from sanctum_messaging.ports.bus import Bus
    from sanctum_messaging.ports.resume_store import Takeover
    from sanctum_messaging.ports.store import Store

Way = Literal["writer", "one by one", "statement by statement", "bare insert"]
LONGEST_LINE = 16 * 1024 * 1024

_clock = SystemClock()


class Setup(msgspec.Struct, frozen=True):
    """Where to write, and where to tell of it; ``connections`` are for ways without a writer."""

    database_url: str
    redis_url: str | None
    conversations: list[str]
    connections: int


class Order(msgspec.Struct, frozen=True):
    """What to do: so many senders, each sending when the last send is acknowledged, or at most so many per second."""

    way: Way
    senders: int
    seconds: float
    per_second: float | None = None


class Outcome(msgspec.Struct):
    """What came of it; ``latencies`` has one entry per message, in seconds."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    commits: int = 0
    latencies: list[float] = msgspec.field(default_factory=list)


class _Unheard:
    """The listener of a bus that only tells."""

    tail: Cursor = ORIGIN

    def apply(self, committed: Committed) -> None:
        """Pass it over."""

    def apply_signal(self, signal: Signal, after: Position) -> None:
        """Pass it over."""

    def apply_takeover(self, takeover: Takeover) -> None:
        """Pass it over."""

    def sweep(self) -> None:
        """Read nothing."""


async def _obey(setup: Setup) -> None:
    conversations = [ConversationId(each) for each in setup.conversations]
    async with (
        open_postgres_store(setup.database_url) as store,
        _telling(setup) as bus,
        _writing(store, bus) as writer,
        open_one_by_one(setup.database_url, setup.connections) as one_by_one,
        open_statement_by_statement(setup.database_url, setup.connections) as statement_by_statement,
        open_bare_insert(setup.database_url) as bare_insert,
    ):
        _say(None)
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            order = msgspec.json.decode(line, type=Order)
            appends: dict[Way, Callable[[MessageDraft], Awaitable[object]]] = {
                "writer": writer.append_message,
                "one by one": one_by_one,
                "statement by statement": statement_by_statement,
                "bare insert": bare_insert,
            }
            commits = writer.counts.commits
            outcome = await _send(appends[order.way], conversations, order)
            is_grouped = order.way == "writer"
            outcome.commits = writer.counts.commits - commits if is_grouped else len(outcome.latencies)
            _say(outcome)


@contextlib.asynccontextmanager
async def _writing(store: Store, bus: Bus) -> AsyncGenerator[Writer]:
    writer = Writer(store, bus.publish, _clock)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        yield writer
        writer.close()


@contextlib.asynccontextmanager
async def _telling(setup: Setup) -> AsyncGenerator[Bus]:
    if setup.redis_url is None:
        yield LocalBus()
        return
    database = Database(setup.database_url)
    installation = await read_installation(database)
    await database.close()
    redis, key = open_redis(setup.redis_url), hashlib.sha256(installation.bus_key.encode()).digest()
    bus = RedisBus(redis, _clock, log_id=installation.log_id, key=key, instance=secrets.token_hex(8))
    bus.attach(_Unheard())
    async with asyncio.TaskGroup() as tasks:
        link = tasks.create_task(bus.run())
        yield bus
        link.cancel()
    await redis.aclose()


async def _send(
    append: Callable[[MessageDraft], Awaitable[object]], conversations: Sequence[ConversationId], order: Order
) -> Outcome:
    outcome = Outcome()
    begun, cpu = time.perf_counter(), time.process_time()
    until = begun + order.seconds
    period = order.senders / order.per_second if order.per_second else 0.0

    async def sender(number: int) -> None:
        due = begun + period * number / order.senders
        while True:
            if period:
                if due >= until:
                    return
                await asyncio.sleep(due - time.perf_counter())
                due += period
            if (before := time.perf_counter()) >= until:
                return
            await append(build_draft(conversations[number % len(conversations)]))
            outcome.latencies.append(time.perf_counter() - before)

    async with asyncio.TaskGroup() as tasks:
        for number in range(order.senders):
            tasks.create_task(sender(number))
    outcome.seconds, outcome.cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu
    return outcome


def _say(what: Outcome | None) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    setup = msgspec.json.decode(sys.stdin.buffer.readline(), type=Setup)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_obey(setup))


if __name__ == "__main__":
    main()
