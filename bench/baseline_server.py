"""The least that the same stack can do, with the server settings of the service; its argument is the port.

An echo over HTTP, an echo over a socket, and a loop of ``send_text`` over all open sockets.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from sanctum_messaging.app import SWITCH_INTERVAL_SECONDS
from sanctum_messaging.listening import BACKLOG
from sanctum_messaging.protocol.codec import MAX_FRAME_BYTES
from sanctum_messaging.server.limits import IDLE_SECONDS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.websockets import WebSocket

_sockets: list[WebSocket] = []


async def echo(request: Request) -> Response:
    """Answer with the body."""
    return Response(await request.body(), 201, media_type="application/json")


async def fan_out(request: Request) -> Response:
    """Send the body to every socket, then answer."""
    text = (await request.body()).decode()
    for socket in _sockets:
        await socket.send_text(text)
    return Response(status_code=201)


async def ready(_: Request) -> Response:
    """Tell that the server is up."""
    return Response()


async def echo_frames(socket: WebSocket) -> None:
    """Answer every frame with itself."""
    await socket.accept("sanctum.v1")
    _sockets.append(socket)
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        _sockets.remove(socket)


def main() -> None:
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    routes = [
        Route("/v1/messages", echo, methods=["POST"]),
        Route("/fan-out", fan_out, methods=["POST"]),
        Route("/readyz", ready),
        WebSocketRoute("/v1/ws", echo_frames),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes),
        port=int(sys.argv[1]),
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME_BYTES,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        backlog=BACKLOG,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
