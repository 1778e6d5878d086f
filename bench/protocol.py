"""The server's own protocol against uvicorn's, on a transport that goes nowhere."""

from __future__ import annotations

import asyncio
import time
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

MORE_MICROS = 5.0
"""What counting, checking and deadlines may cost a request."""
_REQUESTS = 20_000
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
    requests = _REQUESTS // 10 if run.quick else _REQUESTS
    theirs, ours = _protocols()
    seconds = [(await _serve(theirs, requests), await _serve(ours, requests)) for _ in range(run.rounds)]
    stock, bounded = (median(column) for column in zip(*seconds, strict=True))
    against = "uvicorn's own protocol (httptools) before the same application"
    return [
        Figure(
            name="protocol: CPU per request", value=micros(bounded), unit="µs", baseline=micros(stock), against=against
        ),
        Figure(name="protocol: what bounds cost", value=micros(bounded - stock), unit="µs", at_most=MORE_MICROS),
    ]


def _protocols() -> tuple[Callable[[], asyncio.Protocol], Callable[[], asyncio.Protocol]]:
    config = create_server(_answer, Intake()).config
    config.load()
    made: dict[str, Any] = {"config": config, "server_state": ServerState(), "app_state": {}}
    ours: Any = config.http_protocol_class
    return lambda: HttpToolsProtocol(**made), lambda: ours(**made)


async def _serve(create: Callable[[], asyncio.Protocol], requests: int) -> float:
    """Have one connection answer so many requests; return the processor time of one."""
    protocol = create()
    protocol.connection_made(_Nowhere())
    sends = [build_send(_TOKEN, "0199b3a0-0000-7000-8000-000000000000") for _ in range(requests)]
    state: ServerState = protocol.server_state  # type: ignore[attr-defined]  # both have it
    before = time.process_time()
    for request in sends:
        protocol.data_received(request)
        await asyncio.gather(*state.tasks)
    took = time.process_time() - before
    protocol.connection_lost(None)
    return took / requests


async def _answer(_scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})
