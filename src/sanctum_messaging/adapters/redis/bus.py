"""The bus over Redis: what an instance appended, told to all others through one channel."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from redis.exceptions import ReadOnlyError, ResponseError

from sanctum_messaging.adapters.redis.connection import ANSWER_SECONDS
from sanctum_messaging.adapters.redis.counts import BusCounts
from sanctum_messaging.adapters.redis.envelope import Envelopes, Kind
from sanctum_messaging.adapters.redis.link import Link
from sanctum_messaging.adapters.redis.outgoing import Outgoing
from sanctum_messaging.adapters.redis.reception import Reception
from sanctum_messaging.adapters.redis.settings import BusSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

    from sanctum_messaging.adapters.redis.outgoing import Sheet
    from sanctum_messaging.domain.events import Committed, Signal
    from sanctum_messaging.ports.bus import Listener
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.resume_store import Takeover


class RedisBus:
    """``ports.bus.Bus`` for the instances that share a log and a key. ``attach`` the hub before anything is published.

    ``run`` must be running; without it, or without Redis, the own hub hears everything all the same and the others find
    it in the database. ``key`` is what the instances know and Redis does not: without it nobody can make a hub believe
    anything. ``instance`` is another for each process.
    """

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        *,
        log_id: str,
        key: bytes,
        instance: str,
        settings: BusSettings | None = None,
    ) -> None:
        """Connect when ``run`` runs, not before.

        Raises:
            ValueError: the key is empty.
        """
        self.counts = BusCounts()
        self._clock = clock
        self._channel = f"sanctum:bus:{{{log_id}}}"
        self._settings = settings or BusSettings()
        self._envelopes = Envelopes(log_id=log_id, key=key, instance=instance)
        self._outgoing = Outgoing(self._settings, self.counts)
        self._reception = Reception(self._envelopes, self.counts)
        self._publisher = Link(redis, "bus_publisher", self._settings)
        self._subscriber = Link(redis, "bus_subscriber", self._settings)
        self._attached: Listener | None = None
        self._healthy = False

    @property
    def healthy(self) -> bool:
        """Whether what was published lately came back, so that what others publish comes as well."""
        return self._healthy

    def attach(self, listener: Listener) -> None:
        """Have the instance's hub hear of everything from now on."""
        self._attached = listener

    def publish(self, committed: Committed) -> None:
        """Tell of a commit; see the port."""
        self._listener.apply(committed)
        self._outgoing.add(committed)

    def signal(self, signal: Signal) -> None:
        """Tell of a signal; see the port."""
        self._listener.apply_signal(signal, self._listener.tail.position)
        self._outgoing.add_hint(signal, self._clock.monotonic())

    def announce(self, takeover: Takeover) -> None:
        """Tell of a session that was taken over; see the port."""
        self._listener.apply_takeover(takeover)
        self._outgoing.add_hint(takeover, self._clock.monotonic())

    async def run(self) -> None:
        """Publish, listen and keep both connections alive, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publisher.keep(self._publish))
            tasks.create_task(self._subscriber.keep(self._subscribe))
            tasks.create_task(self._beat())

    @property
    def _listener(self) -> Listener:
        if self._attached is None:
            raise RuntimeError("a hub is to be attached before anything is published")
        return self._attached

    async def _beat(self) -> NoReturn:
        while True:
            self._outgoing.add_beat()
            await asyncio.sleep(self._settings.beat_seconds)

    async def _publish(self, connection: AbstractConnection) -> NoReturn:
        # The first round tells whether this is the place to publish, before it counts as one.
        self._outgoing.add_beat()
        while True:
            await self._outgoing.wait()
            sheets = self._outgoing.take(self._listener.tail.position, self._clock.monotonic())
            if not sheets:
                continue
            try:
                await self._send(connection, sheets)
            except BaseException:
                self._outgoing.put_back(sheets)
                raise
            self._publisher.note_use()

    async def _send(self, connection: AbstractConnection, sheets: Sequence[Sheet]) -> None:
        commands = [("PUBLISH", self._channel, self._envelopes.seal(each.header, each.content)) for each in sheets]
        asks = [("ROLE",)] if any(each.header.kind is Kind.HEARTBEAT for each in sheets) else []
        async with asyncio.timeout(ANSWER_SECONDS):
            await connection.send_packed_command(connection.pack_commands([*commands, *asks]))
            for _ in commands:
                await connection.read_response()
            for _ in asks:
                await _check_role(connection)
        self.counts.published += sum(bool(sheet.events) for sheet in sheets)
        self.counts.published_events += sum(len(sheet.events) for sheet in sheets)

    async def _subscribe(self, connection: AbstractConnection) -> NoReturn:
        async with asyncio.timeout(ANSWER_SECONDS):
            await connection.send_command("SUBSCRIBE", self._channel)
            await connection.read_response()
        self.counts.subscriptions += 1
        # What was published before now is lost to us.
        self._listener.sweep()
        self._outgoing.add_beat()
        try:
            async with asyncio.timeout(self._settings.dead_seconds) as death:
                await self._listen(connection, death)
        finally:
            if self._healthy:
                self._healthy = False
                self._listener.sweep()

    async def _listen(self, connection: AbstractConnection, death: asyncio.Timeout) -> NoReturn:
        """Take what arrives; each echo of a heartbeat puts the death of the connection off."""
        now = asyncio.get_running_loop().time
        rest = now()
        while True:
            # What has been read already comes without a suspension.
            match await connection.read_response(timeout=math.inf):
                case [b"message", _, bytes(envelope)] if self._reception.take(envelope, self._listener):
                    death.reschedule(now() + self._settings.dead_seconds)
                    self._subscriber.note_use()
                    self._healthy = True
            if now() - rest > self._settings.slice_seconds:
                await asyncio.sleep(0)
                rest = now()


async def _check_role(connection: AbstractConnection) -> None:
    """Read what the server is, and leave one that has become a replica: it tells nobody else what it is told.

    Its echo of a heartbeat would go on to come, and the address may lead to another server by now.
    """
    try:
        role = await connection.read_response()
    except ResponseError:
        # Not everybody may ask; who may not, goes on.
        return
    if isinstance(role, list) and role[:1] == [b"slave"]:
        raise ReadOnlyError
