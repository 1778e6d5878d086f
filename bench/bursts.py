"""Bursts: 200 events at once to 500 connections, against one system call per event and connection.

The events are appended by a server without a database (``hub_server``), all in one step: what is measured is what the
hub makes of them, from a commit to what goes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.audience import Audience
from bench.figures import Figure
from bench.hub_server import ROOM
from bench.measuring import Run, median, micros
from bench.send_loop import SendLoop, Turn
from bench.servers import Server, serve_module
from sanctum_messaging.protocol.framing import frame_text
from sanctum_messaging.server.limits import raise_descriptor_limit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

READERS = 500
EVENTS = 200
_BARE = "a loop of socket.send, one per event and connection, same bytes"
_SEND = '{"op":"send","id":"1","conversationId":"%s","clientMessageId":"c1","body":"%d"}'


async def measure(run: Run) -> list[Figure]:
    """Take turns with the loop."""
    raise_descriptor_limit()
    async with serve_module(run.folder, "bench.hub_server") as hub, SendLoop.running() as loop:
        readers = await Audience.join_with(hub, [f"reader-{number}" for number in range(READERS)])
        burst = _burst(readers)
        await _measure(hub, readers, burst)
        turn = Turn(frame_text(readers.sample), EVENTS)
        others = await Audience.join_loop(loop.port, READERS)
        took = [
            (await _measure(hub, readers, burst), await _measure(loop, others, lambda: loop.send(turn)))
            for _ in range(run.rounds)
        ]
        readers.leave()
        others.leave()
    ours, bare = (micros(median(column)) for column in zip(*took, strict=True))
    name = f"bursts: server CPU per delivery, {EVENTS} events at once to {READERS}"
    return [
        Figure(name=name, value=ours, unit="µs", at_most=0.5),
        Figure(name=name, value=ours, unit="µs", baseline=bare, against=_BARE, at_most_ratio=0.1),
    ]


def _burst(readers: Audience) -> Callable[[], Awaitable[None]]:
    async def send() -> None:
        readers.say((_SEND % (ROOM, EVENTS)).encode())

    return send


async def _measure(process: Server | SendLoop, readers: Audience, send: Callable[[], Awaitable[None]]) -> float:
    before, received = process.cpu_seconds, readers.received
    await send()
    await readers.wait_for(received + EVENTS * READERS)
    return (process.cpu_seconds - before) / (EVENTS * READERS)
