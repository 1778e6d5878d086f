"""uvicorn as this service runs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING, cast

import uvicorn

from sanctum_messaging.server.http_protocol import HTTPProtocol

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.types import ASGIApp

    from sanctum_messaging.server.intake import Intake

LOOK_SECONDS = 0.05
"""Between two looks whether somebody is still connected."""
GRACE_SECONDS = 2
"""What requests under way may still take once the service stops; with the hub's own share the stop is over in 5 s."""


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers, which would cut every socket at once."""

    def __init__(self, config: uvicorn.Config, intake: Intake) -> None:
        super().__init__(config)
        self._intake = intake

    async def stop_listening(self) -> None:
        """Have new connections go elsewhere, and each that is open end with its next answer.

        Those that the system has taken for us are served as well. What other processes listen with is left alone.
        """
        self._intake.is_closing = True
        if not self.started:
            return
        listeners = [socket.socket(fileno=os.dup(each.fileno())) for server in self.servers for each in server.sockets]
        for server in self.servers:
            server.close()
        for connection in self.server_state.connections:
            if isinstance(connection, HTTPProtocol):
                connection.close_with_answer()
        loop = asyncio.get_running_loop()
        for taken in [each for listener in listeners for each in _take_waiting(listener)]:
            await loop.connect_accepted_socket(self._create_protocol, taken)

    async def wait_for_clients(self) -> None:
        """Return once no connection is left."""
        while self.server_state.connections:  # noqa: ASYNC110 - uvicorn tells nobody when a connection ends
            await asyncio.sleep(LOOK_SECONDS)

    def _create_protocol(self) -> asyncio.Protocol:
        make = cast("type[HTTPProtocol]", self.config.http_protocol_class)
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _take_waiting(listener: socket.socket) -> list[socket.socket]:
    """Take all who wait, and stop to listen in the same breath: who comes in between would be cut off."""
    taken: list[socket.socket] = []
    with listener:
        listener.settimeout(0)
        while True:
            try:
                taken.append(listener.accept()[0])
            except ConnectionAbortedError:
                continue
            except OSError:
                # Nobody waits any more, or no descriptor is left for who does.
                return taken


def create_server(app: ASGIApp, intake: Intake, *, backlog: int = 2_048, grace_seconds: int = GRACE_SECONDS) -> Server:
    """Make a server of an application, whose connections come in by ``intake``; serve it on a listening socket."""
    return Server(
        uvicorn.Config(
            app,
            http=type("HTTPProtocol", (HTTPProtocol,), {"intake": intake}),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=backlog,
            timeout_graceful_shutdown=grace_seconds,
        ),
        intake,
    )
