"""Clients who do as they like, around a log to which anything may happen: what a property is tried on."""

from __future__ import annotations

import asyncio
import itertools
import random
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.domain.errors import SanctumError
from sanctum_messaging.domain.events import Signal, SignalKind
from sanctum_messaging.domain.model import TenantId, UserId
from sanctum_messaging.hub.connection import Connection
from sanctum_messaging.hub.opening import Handshake
from tests.hub_client import PATIENCE_SECONDS, until
from tests.unit.hub.happenings import STEPS
from tests.unit.hub.restoring import restore_backup
from tests.unit.hub.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.domain.events import Committed, Event
    from sanctum_messaging.domain.model import ConversationId
    from tests.hub_world import Hold, World
    from tests.unit.hub.happenings import Happenings

CLIENTS = ("ben", "ben", "cem")
_numbers = itertools.count()
_READS = ("read_stream", "read_memberships", "check_cursor", "follow", "read_head")


class Visitor:
    """One device: the sockets that it has had, one after the other or at once."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.witnesses: list[Witness] = []
        self.hellos: list[tuple[str | None, str | None]] = []
        """The cursor and the resume token of each."""
        self.acked: set[str] = set()
        self.pings = 0
        """How many were said on the newest socket."""
        self._world = world

    @property
    def socket(self) -> Witness | None:
        """The newest, unless it is over."""
        newest = self.witnesses[-1] if self.witnesses else None
        return None if newest is None or newest.gone.is_set() else newest

    def say(self, **frame: object) -> None:
        if self.socket is not None:
            self.pings += frame["op"] == "ping"
            self.socket.say(msgspec.json.encode(frame).decode())

    def send(self, group: ConversationId) -> None:
        self.say(op="send", id="s", conversationId=group, clientMessageId=f"any-{next(_numbers)}", body="Yo")

    def connect(self, *, by_token: bool) -> None:
        """Open a socket; the one before stays until it is replaced, or for ever if it never got a welcome."""
        cursor, token = self._find_cursor(), self._find_token()
        if by_token and token is not None:
            cursor = None
        witness = Witness(self._world.hub)
        connection = self._world.hub.open(witness, Handshake())
        assert isinstance(connection, Connection)
        witness.connection = connection
        self.witnesses.append(witness)
        self.hellos.append((cursor, token))
        self.pings = 0
        witness.start(connection)
        self.say(op="hello", token=self.name, cursor=cursor, resumeToken=token)

    def ack(self) -> None:
        """Acknowledge all that came on this socket."""
        if self.socket is not None:
            cursor = next((each.cursor for each in reversed(self.socket.received) if each.cursor), None)
            if cursor is not None:
                self.acked.add(cursor)
                self.say(op="ack", cursor=cursor)

    def _find_cursor(self) -> str | None:
        """Take the cursor of the newest frame that was read."""
        found = (each.cursor for witness in reversed(self.witnesses) for each in reversed(witness.received))
        return next((each for each in found if each), None)

    def _find_token(self) -> str | None:
        found = (each.resume_token for witness in reversed(self.witnesses) for each in reversed(witness.received))
        return next((each for each in found if each), None)

    @property
    def is_answered(self) -> bool:
        """Whether the socket is live and not asked anything that it has not answered."""
        frames = () if self.socket is None else self.socket.received
        return any(each.op == "live" for each in frames) and self.pings <= sum(each.op == "pong" for each in frames)

    @property
    def has_all(self) -> bool:
        """Whether what came last on a live socket says that nothing is missing."""
        if self.socket is None or not self.is_answered:
            return False
        last = next((each for each in reversed(self.socket.received) if each.cursor), None)
        return last is not None and last.cursor == str(self._world.hub.tail)


class Scene:
    """Everything there is, and the deeds by name; a deed takes a number, and makes of it what it likes."""

    def __init__(self, world: World, database: Database, happenings: Happenings) -> None:
        self.visitors = [Visitor(world, name) for name in CLIENTS]
        self.logs: list[list[Event]] = []
        """What became of each log that the hub has followed, but for the present one."""
        self._world = world
        self._database = database
        self._happenings = happenings
        self._beginning: list[Event] = []
        self._since = 0
        self._silence: list[Committed] | None = None
        self._holds: list[Hold] = []
        self._drains: list[asyncio.Task[None]] = []
        self._bodies = itertools.count()
        self._deeds: dict[str, Callable[[int], Awaitable[None]]] = {
            "burst": self._burst,
            "hear": self._hear,
            "let run": self._let_run,
            "restore": lambda _: self._restore(),
        }
        self._calls: dict[str, Callable[[Visitor, int], object]] = {
            "connect": lambda visitor, _: visitor.connect(by_token=False),
            "resume": lambda visitor, _: visitor.connect(by_token=True),
            "ack": lambda visitor, _: visitor.ack(),
            **{op: partial(lambda op, visitor, _: visitor.say(op=op), op) for op in ("ping", "pong", "bye", "fly")},
            "say": lambda visitor, _: visitor.send(happenings.group),
            "type": lambda _, number: self._type(number),
            "silence": lambda *_: self._be_silent(),
            "hold": lambda _, number: self._holds.append(world.log.hold(_READS[number % len(_READS)])),
            "release": lambda *_: self._release(),
            "sweep": lambda *_: world.hub.sweep(),
            "pass time": lambda _, number: world.pass_time(1 + number),
            "drain": lambda _, number: self._drains.append(asyncio.create_task(world.hub.drain_over(1 + number))),
        }

    @property
    def log(self) -> list[Event]:
        """The present log."""
        return self._beginning + sorted(self._world.events[self._since :], key=lambda event: event.position)

    async def act(self, step: str, number: int) -> None:
        """Do something, and see that no socket is worse for it; what makes no sense now is left out."""
        visitor = self.visitors[number % len(self.visitors)]
        if step in STEPS:
            await self._happenings.happen(step)
        elif step in self._deeds:
            await self._deeds[step](number)
        elif step in self._calls:
            self._calls[step](visitor, number)
        elif visitor.socket is not None:
            getattr(visitor.socket, step)()
        for each in self._open_sockets:
            each.look()

    async def end(self) -> None:
        """Let everything come to its end: who is there is live, and has all there is."""
        self._release()
        await self._hear(0)
        self._world.hub.sweep()
        for task in self._drains:
            task.cancel()
        for visitor in self.visitors:
            await self._bring_up(visitor)
        self.logs.append(self.log)

    async def _bring_up(self, visitor: Visitor) -> None:
        for witness in visitor.witnesses:
            witness.flow()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not visitor.has_all:
                if visitor.socket is None:
                    visitor.connect(by_token=False)
                elif visitor.is_answered:
                    visitor.say(op="ping")
                await asyncio.sleep(0)

    @property
    def _open_sockets(self) -> list[Witness]:
        return [each for visitor in self.visitors for each in visitor.witnesses if not each.gone.is_set()]

    def _be_silent(self) -> None:
        if self._silence is None:
            self._silence = self._world.begin_silence()

    async def _let_run(self, number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(0)

    def _type(self, number: int) -> None:
        group = (self._happenings.group, self._happenings.other)[number % 2]
        self._world.hub.apply_signal(Signal(SignalKind.TYPING, TenantId("default"), group, UserId("ada"), on=True))

    def _release(self) -> None:
        holds, self._holds = self._holds, []
        for hold in holds:
            hold.released.set()
        self._world.log._holds.clear()

    async def _burst(self, number: int) -> None:
        """Send in both conversations at once, so that one commit holds runs of each."""
        groups = [self._happenings.group, self._happenings.other]
        with suppress(SanctumError):
            async with asyncio.TaskGroup() as tasks:
                for each in range(3 + 2 * number):
                    body = "x" * (1 + next(self._bodies) % 5 * 900)
                    tasks.create_task(self._world.send(groups[(each // (1 + number % 3)) % 2], "ada", body))

    async def _hear(self, number: int) -> None:
        """Hear of what was missed: in order, or in none, some of it twice, some of it never."""
        if self._silence is None:
            return
        held, self._silence = self._silence, None
        self._world.end_silence()
        draw = random.Random(number)
        if number % 2:
            draw.shuffle(held)
        for committed in held:
            for _ in range(draw.choice([1, 1, 2]) if number % 4 < 3 else draw.choice([0, 1])):
                self._world.hub.apply(committed)
            if number % 3:
                await asyncio.sleep(0)

    async def _restore(self) -> None:
        """Have the log lose its newest messages under the hub, while nobody is reading: what he read, no log holds."""
        self._release()
        await self._hear(0)
        for _ in range(3):
            await self._world.send(self._happenings.group, "ada", "to be lost")
        await until(
            lambda: self._world.hub.tail == self.log[-1].cursor and all(each.is_at_rest for each in self._open_sockets)
        )
        before = self.log
        epoch = self._world.hub._tail.epoch
        with self._world.unheard():
            await restore_backup(self._world, self._database, lost=2)
            self.logs.append(before)
            self._beginning, self._since = before[:-2], len(self._world.events)
            await self._world.send(self._happenings.group, "ada", "another")
        self._world.hub.sweep()
        await until(lambda: self._world.hub._tail.epoch == epoch + 1)
