"""Whatever happens, and however often he comes and goes: a user sees his stream once and in order."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanctum_messaging.domain.events import (
    ConversationChange,
    Event,
    EventKind,
    Interval,
    MessageChange,
    ParticipantChange,
)
from sanctum_messaging.domain.model import ConversationId
from sanctum_messaging.protocol.client_session import ClientSession, ReceivedEvent
from sanctum_messaging.protocol.frames import Live, Welcome
from tests.hub_client import ClosedError, until
from tests.unit.hub.happenings import STEPS, Happenings, fresh_world
from tests.unit.hub.in_memory import open_sockets

if TYPE_CHECKING:
    from sanctum_messaging.domain.events import Committed
    from tests.hub_world import World
    from tests.unit.hub.in_memory import Socket, Sockets

COMING_AND_GOING = ["stall", "flow", "flow", "leave", "be replaced", "not hear", "hear", "let all run"]


class Reader:
    """Ben's client: it takes every event at once, and comes back with its cursor."""

    def __init__(self, world: World, sockets: Sockets, tasks: asyncio.TaskGroup) -> None:
        self.session = ClientSession()
        self.seen: list[int] = []
        self.lives: list[int] = []
        """How often each connection said that it is live."""
        self._world = world
        self._sockets = sockets
        self._tasks = tasks
        self._socket: Socket | None = None
        self._held: list[Committed] | None = None
        self._opened = asyncio.Event()

    async def act(self, step: str) -> None:
        socket = self._socket
        match step:
            case "stall" if socket is not None:
                socket.transport.stall()
            case "flow" if socket is not None:
                socket.transport.flow()
            case "flow" | "be replaced":
                await self.connect()
            case "leave" if socket is not None:
                self._socket = None
                await socket.vanish()
            case "not hear" if self._held is None:
                self._held = self._world.begin_silence()
            case "hear" if self._held is not None:
                await self._hear(self._held)
            case "let all run":
                await asyncio.sleep(0.002)

    async def connect(self) -> None:
        """Open another socket, which replaces the one before; of two that said hello at once either may stay."""
        if self._socket is not None:
            self._socket.transport.flow()
            await self._opened.wait()
        self._opened = asyncio.Event()
        self._socket = self._sockets.open()
        self.lives.append(0)
        await self._socket.push_raw(self.session.hello(token="ben").decode())
        self._tasks.create_task(self._read(self._socket, len(self.lives) - 1))

    async def end(self) -> None:
        """See everything there is."""
        await self.act("hear")
        await self.connect()
        await until(lambda: self.lives[-1] == 1)

    async def _hear(self, held: list[Committed]) -> None:
        """Hear of what was missed, a commit in every tick of the loop."""
        self._held = None
        self._world.end_silence()
        for committed in held:
            self._world.hub.apply(committed)
            await asyncio.sleep(0)

    async def _read(self, socket: Socket, number: int) -> None:
        opened = self._opened
        with suppress(ClosedError):
            while True:
                received = self.session.receive(await socket.link.read())
                if isinstance(received, Welcome):
                    opened.set()
                if isinstance(received, ReceivedEvent):
                    self.seen.append(int(received.cursor.split("-")[0]))
                    self.session.taken(received)
                elif isinstance(received, Live):
                    self.lives[number] += 1


def memberships(log: list[Event]) -> dict[ConversationId, list[Interval]]:
    """Find ben's intervals in each conversation."""
    found: dict[ConversationId, list[Interval]] = {}
    for event in log:
        intervals = found.setdefault(event.conversation_id, [])
        match event.body:
            case ConversationChange(participants=participants) if any(each.user_id == "ben" for each in participants):
                intervals.append(Interval(event.seq))
            case ParticipantChange(participant=participant) if participant.user_id == "ben":
                if event.kind is EventKind.PARTICIPANT_ADDED:
                    intervals.append(Interval(event.seq))
                elif event.kind is EventKind.PARTICIPANT_REMOVED:
                    intervals[-1] = Interval(intervals[-1].first, event.seq)
    return found


def check_stream(log: list[Event], seen: list[int], group: ConversationId) -> None:
    """Check what was seen against the whole log (docs/protocol.md, "What a stream shows")."""
    assert seen == sorted(set(seen)), "once and in order"
    intervals = memberships(log)
    for event in log:
        own = intervals[event.conversation_id]
        position = event.position
        inside = [each for each in own if each.contains(event.seq)]
        if not inside:
            assert position not in seen, f"{event.kind} at {position} is none of his business"
            continue
        if isinstance(event.body, MessageChange) and event.kind is not EventKind.MESSAGE_CREATED:
            created = event.body.message.seq
            if not any(each.contains(created) for each in own):
                assert event.conversation_id != group or position not in seen, "a message from before his time"
                continue
        last = inside[-1]
        if last.last is None or (last == own[-1] and event.seq == last.last):
            assert position in seen, f"{event.kind} at {position} is missing"


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(st.sampled_from([*STEPS, *COMING_AND_GOING, *COMING_AND_GOING]), max_size=60),
    ring_events=st.sampled_from([1, 5, 1_000]),
    pending_bytes=st.sampled_from([1, 3_000, 65_536]),
    window=st.sampled_from([1, 10, 1_000]),
)
def test_a_user_sees_his_stream_once_and_in_order(
    *, steps: list[str], ring_events: int, pending_bytes: int, window: int
) -> None:
    async def check() -> None:
        sizes = {"ring_events": ring_events, "pending_bytes": pending_bytes, "window": window}
        async with fresh_world(**sizes) as world, asyncio.TaskGroup() as tasks, open_sockets(world.hub) as sockets:
            reader = Reader(world, sockets, tasks)
            await reader.connect()
            await until(lambda: reader.session.cursor is not None)
            happenings = await Happenings.begin(world)
            for step in steps:
                await (reader.act(step) if step in COMING_AND_GOING else happenings.happen(step))
            await reader.end()
            check_stream(world.events, reader.seen, happenings.group)
            assert max(reader.lives) == 1

    asyncio.run(check())
