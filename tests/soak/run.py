"""One soak: everything that is bounded is filled, then traffic of every kind, while the processes are watched."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fault.load import Load
from tests.fault.recorder import Call, Recorder
from tests.soak import callers
from tests.soak.crowd import AT_ONCE, Member, SlowMember
from tests.soak.ledger import Ledger
from tests.soak.target import Target
from tests.soak.vitals import Trend, Vitals, find_descriptors, find_trends, read_vitals

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from tests.e2e.server import Service

CONNECTIONS = 500
USERS = 8
"""Of the recorded load; with its guest it has a socket more."""
SLOW = 11
ROOM = 12
PAST = 6
"""Long messages that each member has sent before it begins: 20 MB, more than SQLite's readers keep of the database."""
PAST_BODY = "Long ago " * 800
RECENT = 20
"""Short messages after these: together enough to fill the ring as it will be filled later."""
SWEEPS = 12
TOKENS = 10_500
"""More than the tokens that an instance remembers, each from another address."""
REFUSED = 4_500
"""More than the addresses that an instance remembers for having shown something that is no token."""
WARM_UP = 0.2
"""The share of the time in which memory may grow, at least: connections are opened and end, and SQLite fills what it
keeps. It lasts until the ring holds nothing any more that it was filled with: of that, no frames were asked for."""
JUDGED = 0.5
"""The share that has to be left when memory may grow no more."""
REST_SECONDS = 4.0
SAMPLE_SECONDS = 2.0
SHOW_SECONDS = 30.0
SHOWN = (
    *("connections", "connection_pending_bytes", "ring_events", "ring_bytes", "token_cache_entries"),
    *("participant_cache_participants", "fell_behind_total", "append_events_total"),
)
"""Of what an instance tells of itself."""


@dataclass(slots=True)
class Outcome:
    """What there is to judge: how each process went after the warm-up, and what was wrong."""

    ledger: Ledger
    recorder: Recorder
    trends: dict[str, list[Trend]] = field(default_factory=dict)

    def describe(self) -> str:
        """Write a table of how it went."""
        head = f"{'process':<12} {'':<14} {'first quarter':>14} {'last quarter':>14} {'growth':>8} {'per hour':>10}"
        rows = [
            f"{name:<12} {each.name:<14} {each.first:>14,.1f} {each.last:>14,.1f} {each.growth:>8.3f}"
            f" {each.slope_per_hour:>+10,.1f}"
            for name, trends in self.trends.items()
            for each in trends
        ]
        return "\n".join([head, *rows, "", self.ledger.describe()])


class Soak:
    """Traffic on a service that runs, for so long."""

    def __init__(self, services: Sequence[Service], *, seconds: float, connections: int = CONNECTIONS) -> None:
        self.outcome = Outcome(Ledger(), Recorder())
        self._target = Target(services, self.outcome.ledger, self.outcome.recorder, seed=1)
        self._seconds = seconds
        self._slow = [SlowMember(self._target, f"slow-{number}") for number in range(SLOW)]
        crowd = connections - SLOW - USERS - 1
        self._crowd = [Member(self._target, f"member-{number}") for number in range(crowd)]
        self._greedy = Member(self._target, "greedy")
        """Without a socket: who is refused so often must be nobody else, or those would be refused with him."""
        self._seen: dict[str, list[Vitals]] = {f"instance-{number}": [] for number in range(len(services))}
        self._renewed_at: dict[str, float] = {}
        """When the ring of each process held nothing any more that it was filled with."""
        self._begun = time.monotonic()

    @property
    def everybody(self) -> list[Member]:
        return [*self._crowd, *self._slow]

    async def run(self) -> Outcome:
        """Fill, warm up, watch, and read every stream to its end."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._target.close)
            for member in (*self.everybody, self._greedy):
                stack.push_async_callback(member.client.close)
            await self._found_rooms()
            await self._fill()
            load = await stack.enter_async_context(self._load())
            await load.start()
            await self._live(load)
            await load.drain()
            await self._finish()
        return self.outcome

    def _load(self) -> Load:
        target, recorder = self._target, self.outcome.recorder
        return Load(target.place, target.token, recorder=recorder, seed=1, users=USERS, rest=REST_SECONDS)

    async def _live(self, load: Load) -> None:
        gate = asyncio.Semaphore(AT_ONCE)
        lives = [asyncio.create_task(each.live(gate)) for each in self.everybody]
        work = [asyncio.create_task(each) for each in self._callers()]
        try:
            watching = asyncio.create_task(self._watch())
            await load.run_for(self._seconds)
            await watching
        finally:
            for task in (*work, *lives):
                task.cancel()
            for result in await asyncio.gather(*work, *lives, return_exceptions=True):
                if isinstance(result, Exception):
                    self.outcome.ledger.note_wrong(f"a caller ended with {result!r}")

    def _callers(self) -> list[Coroutine[None, None, None]]:
        target, crowd = self._target, self._crowd
        return [
            callers.guess(target),
            callers.visit(target),
            callers.want_too_much(target, self._greedy),
            callers.flood(target, crowd[1]),
            callers.serve_others(target, crowd),
            callers.browse(target, crowd),
            *(callers.poll(target, each) for each in crowd[2:6]),
            callers.speak_loudly(target, self._slow[0]),
            callers.lose_access(target),
        ]

    # Before: conversations, a past, and whatever has a bound filled up to it.

    async def _found_rooms(self) -> None:
        rooms = [self._crowd[first : first + ROOM] for first in range(0, len(self._crowd), ROOM)]
        rooms[0].append(self._greedy)
        await self._found_room(self._slow)
        for room in rooms:
            await self._found_room(room)

    async def _found_room(self, room: Sequence[Member]) -> None:
        founder = room[0]
        with self.outcome.recorder.call(founder.name, founder.name, Call("create")):
            identifier = await founder.client.create(*(each.name for each in room[1:]))
        for member in room:
            member.room = identifier

    async def _fill(self) -> None:
        await _run_some([self._speak_before(each) for each in self._crowd])
        await _run_some([self._read_before(each) for each in self._crowd[:: ROOM // 3] * (SWEEPS // 3)])
        for place in (service.base_url for service in self._target.services):
            await _run_some([callers.call_as_visitor(self._target, f"first-{each}", place) for each in range(TOKENS)])
            await _run_some(
                [callers.show(self._target, "none", callers.random_address(), place) for _ in range(REFUSED)]
            )
        print(f"filled after {self._now:.0f} s", flush=True)  # noqa: T201 - it takes long

    async def _speak_before(self, member: Member) -> None:
        for body in (*[PAST_BODY] * PAST, *["Not so long ago"] * RECENT):
            call = member.new_message(body)
            await self._target.send("past send", call, user=member.name, token=member.client.token)

    async def _read_before(self, member: Member) -> None:
        path = f"/v1/conversations/{member.room}/messages?limit=200"
        await self._target.call("page", "GET", path, token=member.client.token)

    # While it runs.

    @property
    def _now(self) -> float:
        return time.monotonic() - self._begun

    async def _watch(self) -> None:
        """Look at the processes until the time is over; what comes once they are warm counts."""
        filled = [await self._target.read_metrics(each) for each in self._target.services]
        begun = shown = time.monotonic()
        while (now := time.monotonic()) < begun + self._seconds:
            for (name, seen), service, first in zip(self._seen.items(), self._target.services, filled, strict=True):
                seen.append(read_vitals(service.pid, now - begun))
                if now >= shown:
                    told = await self._target.read_metrics(service)
                    self._show(name, seen[-1], told)
                    if told["sanctum_ring_floor"] >= first["sanctum_log_tail"]:
                        self._renewed_at.setdefault(name, now - begun)
            if now >= shown:
                shown += SHOW_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)
        self._judge()

    def _show(self, name: str, vitals: Vitals, told: dict[str, float]) -> None:
        words = [
            f"{name} {vitals.at:5.0f} s {vitals.resident_bytes / 2**20:7.1f} MiB",
            f"{vitals.descriptors:.0f} descriptors",
            f"{vitals.threads:.0f} threads",
            *(f"{key} {told[f'sanctum_{key}']:,.0f}" for key in SHOWN),
            f"wrong {len(self.outcome.ledger.wrong)}",
        ]
        print(", ".join(words), flush=True)  # noqa: T201 - it takes long

    def _judge(self) -> None:
        warm = max(self._seconds * WARM_UP, *(self._renewed_at.get(name, self._seconds) for name in self._seen))
        if warm > self._seconds * (1 - JUDGED):
            self.outcome.ledger.note_wrong("the processes were not warm in time; give them more")
            return
        judged = {name: [each for each in seen if each.at >= warm] for name, seen in self._seen.items()}
        self.outcome.trends = {name: find_trends(seen) for name, seen in judged.items()}
        self.outcome.trends["all of them"] = [find_descriptors(list(judged.values()))]

    # After it.

    async def _finish(self) -> None:
        """Have everybody read to the end; those of one room have then come equally far."""
        end = await self.everybody[0].client.read_end()
        gate = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(each.finish(gate, end) for each in self.everybody))
        for room in itertools.groupby(self.everybody, lambda each: each.room):
            reached = {each.last_seq for each in room[1]}
            if len(reached) > 1:
                self.outcome.ledger.note_wrong(f"those in {room[0]} have come to {sorted(reached)}")


async def _run_some(jobs: Sequence[Coroutine[None, None, None]], at_once: int = AT_ONCE) -> None:
    """Run all of them, a few at a time."""
    left = iter(jobs)

    async def work() -> None:
        for job in left:
            await job

    await asyncio.gather(*(work() for _ in range(at_once)))
