"""From a send's acknowledgement to the receivers, 20 events a second to 500 connections.

Both are told by the system's clock, when the bytes came to the sender's socket and to each receiver's: 500 receivers
that share one process would mostly wait for each other.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bench.audience import PATH, Tally
from bench.figures import Figure
from bench.http_client import Connection
from bench.measuring import Run, median, millis, percentile
from bench.send_loop import SendLoop, Turn
from bench.sends import build_send
from bench.servers import serve
from bench.socket_client import Socket
from bench.stamped import StampedTransport, connect_stamped
from sanctum_messaging.protocol.framing import frame_text
from sanctum_messaging.server.limits import raise_descriptor_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.servers import Service

READERS = 500
PER_SECOND = 20
_BARE = "a loop of socket.send over as many sockets, from the first receiver to the others"
_WAIT_SECONDS = 30


class Receiver:
    """A connection that notes when each event came; all together count them."""

    def __init__(self, events: Tally) -> None:
        self.events = events
        self.socket = Socket(self._take)
        self.transport: StampedTransport | None = None
        self.came_at: list[float] = []
        self.sample = b""
        self.is_live = asyncio.Event()

    async def connect(self, port: int) -> None:
        """Connect."""
        self.transport, _ = await connect_stamped(self.socket, port)

    async def go_live(self, token: str) -> None:
        """Say hello and wait until it is live."""
        await self.socket.shake_hands(PATH, token)
        self.socket.send(b'{"op":"hello"}')
        await self.is_live.wait()

    def _take(self, text: bytes) -> None:
        assert self.transport is not None
        if text.startswith(b'{"op":"event"'):
            self.sample = text
            self.came_at.append(self.transport.came_at)
            self.events.add()
        elif text.startswith(b'{"op":"live"'):
            self.is_live.set()
        elif text.startswith(b'{"op":"ping"'):
            self.socket.send(b'{"op":"pong"}')


async def measure(run: Run) -> list[Figure]:
    """Take turns with the loop; each round gives a percentile, and their median counts."""
    raise_descriptor_limit()
    events = round(run.seconds * PER_SECOND)
    ours: list[Sequence[float]] = []
    bare: list[Sequence[float]] = []
    async with serve(run.folder / "promptness") as service, SendLoop.running() as loop:
        sender, receivers = await _prepare(service)
        await _send(sender, receivers, events)
        others = await _connect(loop.port)
        for each in others:
            each.socket.skip_handshake()
        frame = frame_text(receivers[0].sample)
        for _ in range(run.rounds):
            ours.append(await _send(sender, receivers, events))
            bare.append(await _loop(loop, others, Turn(frame, events, 1 / PER_SECOND)))
        for each in (*receivers, *others):
            each.socket.close()
    return [
        Figure(
            name=f"promptness: p{percent} from the acknowledgement, {PER_SECOND} events/s to {READERS}",
            value=millis(median([percentile(each, percent) for each in ours])),
            unit="ms",
            baseline=millis(median([percentile(each, percent) for each in bare])),
            against=_BARE,
            at_most=10 if percent == 99 else None,
        )
        for percent in (50, 99)
    ]


class Sender:
    """A connection that sends a message and tells when it was acknowledged."""

    def __init__(self, token: str, conversation: str) -> None:
        self._token = token
        self._conversation = conversation
        self._connection = Connection()
        self._transport: StampedTransport | None = None

    async def connect(self, port: int) -> None:
        """Connect."""
        self._transport, _ = await connect_stamped(self._connection, port)

    async def send(self) -> float:
        """Send, and wait for the acknowledgement."""
        assert self._transport is not None
        response = await self._connection.call(build_send(self._token, self._conversation))
        assert response.status == 201, response
        return self._transport.came_at


async def _prepare(service: Service) -> tuple[Sender, list[Receiver]]:
    users = [f"reader-{number}" for number in range(READERS)]
    sender = Sender(service.token("sender"), await service.create_conversation("sender", users))
    await sender.connect(service.port)
    receivers = await _connect(service.port)
    for user, receiver in zip(users, receivers, strict=True):
        await receiver.go_live(service.token(user))
    return sender, receivers


async def _connect(port: int) -> list[Receiver]:
    events = Tally()
    receivers = [Receiver(events) for _ in range(READERS)]
    for receiver in receivers:
        await receiver.connect(port)
    return receivers


async def _send(sender: Sender, receivers: Sequence[Receiver], events: int) -> list[float]:
    """Send at the steady pace; return how much later than its acknowledgement each event came to each receiver."""
    begun, acknowledged = time.perf_counter(), []
    for number in range(events):
        await asyncio.sleep(begun + number / PER_SECOND - time.perf_counter())
        acknowledged.append(await sender.send())
    return [
        came - since for each in await _take(receivers, events) for came, since in zip(each, acknowledged, strict=True)
    ]


async def _loop(loop: SendLoop, receivers: Sequence[Receiver], turn: Turn) -> list[float]:
    """Have the loop send; return how much later than to the first of them each event came to each receiver."""
    await loop.send(turn)
    came = await _take(receivers, turn.times)
    first = [min(event) for event in zip(*came, strict=True)]
    return [at - since for each in came for at, since in zip(each, first, strict=True)]


async def _take(receivers: Sequence[Receiver], events: int) -> list[list[float]]:
    """Wait until each receiver has so many events; return when they came."""
    tally = receivers[0].events
    async with asyncio.timeout(_WAIT_SECONDS):
        await tally.reach(events * len(receivers))
    tally.count = 0
    taken = [receiver.came_at for receiver in receivers]
    for receiver in receivers:
        receiver.came_at = []
    return taken
