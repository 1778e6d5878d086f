"""uvicorn as this service runs it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import uvicorn

from sanctum_messaging.server.http_protocol import HTTPProtocol
from sanctum_messaging.server.socket_protocol import SocketProtocol

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.types import ASGIApp

    from sanctum_messaging.server.intake import Intake

MAX_FRAME_BYTES = 64 * 1024
GRACE_SECONDS = 2
"""What requests under way may still take once the service stops; with the hub's own share the stop is over in 5 s."""


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers, which would cut every socket at once."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def create_server(app: ASGIApp, intake: Intake, *, backlog: int = 2_048, grace_seconds: int = GRACE_SECONDS) -> Server:
    """Make a server of an application, whose connections come in by ``intake``; serve it on a listening socket."""
    return Server(
        uvicorn.Config(
            app,
            http=type("HTTPProtocol", (HTTPProtocol,), {"intake": intake}),
            ws=type("SocketProtocol", (SocketProtocol,), {"intake": intake}),
            ws_max_size=MAX_FRAME_BYTES,
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=backlog,
            timeout_graceful_shutdown=grace_seconds,
        )
    )
