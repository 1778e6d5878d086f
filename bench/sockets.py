"""Acknowledged sends over WebSocket with 64 in flight over 8 connections, against a bare echo of the same frames."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.loads import BODY, Load, compare_loads
from bench.measuring import Run
from bench.servers import Server, Service, serve, serve_baseline
from bench.socket_client import Socket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.figures import Figure

CONNECTIONS = 8
IN_FLIGHT_EACH = 8
PATH = "/v1/ws"
_ECHO = "a bare Starlette echo of the same frames, same server settings"
_LIVE_SECONDS = 10

_numbers = itertools.count()


class Sender:
    """One connection that keeps so many sends in flight: each acknowledgement makes room for the next."""

    def __init__(self, conversation: str) -> None:
        """Send to this conversation."""
        self.conversation = conversation
        self.socket: Socket | None = None
        self.is_live = asyncio.Event()
        self._begun: dict[bytes, float] = {}
        self._until = 0.0
        self._load = Load()
        self._done = asyncio.Event()

    async def send_until(self, until: float, load: Load) -> None:
        """Send until a time; return when the last is acknowledged."""
        self._until, self._load = until, load
        self._done.clear()
        for _ in range(IN_FLIGHT_EACH):
            self._send()
        await self._done.wait()

    def take(self, text: bytes) -> None:
        """Take what the server says: acknowledgements, one's own events, heartbeats. An echo acknowledges too."""
        if text.startswith((b'{"op":"ok","id":"', b'{"op":"send","id":"')):
            self._note(text.split(b'"', 8)[7])
        elif text.startswith(b'{"op":"live"'):
            self.is_live.set()
        elif text.startswith(b'{"op":"ping"'):
            self.say(b'{"op":"pong"}')
        else:
            assert text.startswith((b'{"op":"event"', b'{"op":"welcome"')), text

    def say(self, text: bytes) -> None:
        """Send a frame."""
        assert self.socket is not None
        self.socket.send(text)

    def close(self) -> None:
        """Hang up."""
        assert self.socket is not None
        self.socket.close()

    def _send(self) -> None:
        name = b"%d" % next(_numbers)
        self._begun[name] = time.perf_counter()
        self.say(
            b'{"op":"send","id":"%s","conversationId":"%s","clientMessageId":"c%s","body":"%s"}'
            % (name, self.conversation.encode(), name, BODY.encode())
        )

    def _note(self, name: bytes) -> None:
        now = time.perf_counter()
        self._load.latencies.append(now - self._begun.pop(name))
        if now < self._until:
            self._send()
        elif not self._begun:
            self._done.set()


@dataclass(frozen=True, slots=True)
class Subject:
    """A server and the connections to it."""

    server: Server
    senders: Sequence[Sender]

    async def measure(self, seconds: float) -> Load:
        """Put load on it."""
        load, before, begun = Load(), self.server.cpu_seconds, time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for sender in self.senders:
                tasks.create_task(sender.send_until(begun + seconds, load))
        load.seconds = time.perf_counter() - begun
        load.server_cpu_seconds = self.server.cpu_seconds - before
        return load


async def measure(run: Run) -> list[Figure]:
    """Take turns between the service, which sends an event too for each send, and the echo."""
    async with serve(run.folder / "sockets") as service, serve_baseline(run.folder) as echo:
        subject = Subject(service, [await connect(service, f"sender-{number}") for number in range(CONNECTIONS)])
        baseline = Subject(echo, [await _connect_to_echo(echo) for _ in range(CONNECTIONS)])
        await subject.measure(run.seconds / 2)
        rounds = [(await subject.measure(run.seconds), await baseline.measure(run.seconds)) for _ in range(run.rounds)]
        for sender in (*subject.senders, *baseline.senders):
            sender.close()
    return compare_loads("sockets", rounds, _ECHO)


async def connect(service: Service, user: str, others: Sequence[str] = ()) -> Sender:
    """Create a conversation and connect its owner; return once he is live."""
    sender = Sender(await service.create_conversation(user, others))
    sender.socket = await Socket.open(service.port, PATH, token=service.token(user), on_text=sender.take)
    sender.say(b'{"op":"hello"}')
    async with asyncio.timeout(_LIVE_SECONDS):
        await sender.is_live.wait()
    return sender


async def _connect_to_echo(echo: Server) -> Sender:
    sender = Sender("01900000-0000-7000-8000-000000000000")
    sender.socket = await Socket.open(echo.port, PATH, on_text=sender.take)
    return sender
