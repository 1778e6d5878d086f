"""The server's own protocol against uvicorn's, on a transport that goes nowhere."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from bench.figures import Figure
from bench.measuring import Run, median, micros
from bench.sends import build_send
from sanctum_messaging.server.intake import Intake
from sanctum_messaging.server.server import create_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

DEARER = 1.25
"""What counting, checking and deadlines may make of the price of a request."""
_REQUESTS = 500
_TURNS = 20
"""In each round: short turns, so that both meet the same moods of the machine."""
_TOKEN = "t" * 600
"""As long as tokens are."""


class _Nowhere(asyncio.Transport):
    """Takes what is written and drops it."""

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass


async def measure(run: Run) -> list[Figure]:
    """Take turns with both protocols, over the same requests."""
    theirs, ours = _protocols()
    seconds = [(await _serve(theirs), await _serve(ours)) for _ in range(run.rounds * _TURNS)]
    stock, bounded = (median(column) for column in zip(*seconds, strict=True))
    name = "protocol: CPU per request, the application apart"
    against = "uvicorn's own protocol (httptools), beneath the same application"
    return [
        Figure(
            name=name,
            value=micros(bounded),
            unit="µs",
            baseline=micros(stock),
            against=against,
            at_most_ratio=DEARER,
        )
    ]


def make_state() -> ServerState:
    """Make the state of a server that runs, which has every answer bear the date."""
    state = ServerState()
    state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
    return state


def _protocols() -> tuple[Callable[[], asyncio.Protocol], Callable[[], asyncio.Protocol]]:
    config = create_server(_answer, Intake()).config
    config.load()
    made: dict[str, Any] = {"config": config, "server_state": make_state(), "app_state": {}}
    ours: Any = config.http_protocol_class
    return lambda: HttpToolsProtocol(**made), lambda: ours(**made)


async def _serve(create: Callable[[], asyncio.Protocol]) -> float:
    """Have one connection answer so many requests; return the processor time of one."""
    protocol = create()
    protocol.connection_made(_Nowhere())
    sends = [build_send(_TOKEN, "0199b3a0-0000-7000-8000-000000000000") for _ in range(_REQUESTS)]
    state: ServerState = protocol.server_state  # type: ignore[attr-defined]  # both have it
    before = time.process_time()
    for request in sends:
        protocol.data_received(request)
        await asyncio.gather(*state.tasks)
    took = time.process_time() - before
    protocol.connection_lost(None)
    return took / _REQUESTS


async def _answer(_scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})
