"""The running service: a listening socket, uvicorn on it, and a stop that loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import structlog
import uvicorn
import uvloop
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from sanctum_messaging.bootstrap.service import open_service
from sanctum_messaging.config import ConfigError, Fault

if TYPE_CHECKING:
    from collections.abc import Generator

    from uvicorn._types import ASGISendEvent

    from sanctum_messaging.bootstrap.service import Service
    from sanctum_messaging.config import Config

GC_THRESHOLDS = (20_000, 20, 100)
"""Requests make many short-lived objects and few cycles: at the usual 700 the collector takes a tenth of the processor
time of a send."""
SWITCH_INTERVAL_SECONDS = 0.0005
"""How long a thread may keep the interpreter while another waits. With the default of 5 ms the writer's thread, which
asks for it once per statement, is starved by a busy event loop: a batch took 555 ms instead of 8."""
MAX_FRAME_BYTES = 64 * 1024
BACKLOG = 2_048
KEEP_ALIVE_SECONDS = 65
"""Longer than the 60 s after which load balancers let go of an idle connection: they should be first."""
GRACE_SECONDS = 2
"""What requests under way may still take once the service stops; with the hub's own share the stop is over in 5 s."""
TCP_USER_TIMEOUT_MS = 30_000
"""Data that a peer does not acknowledge for this long ends the connection, whatever keeps its window shut."""

_log = structlog.get_logger()


def serve(config: Config) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code.

    Raises:
        ConfigError: the address, the database or the keys can't be had.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.set_threshold(*GC_THRESHOLDS)
    with _listening(config) as listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config, listener))
    return 0


@contextlib.contextmanager
def _listening(config: Config) -> Generator[socket.socket]:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        listener = socket.create_server((config.host, config.port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(Fault("PORT", f"can't listen on {config.host}:{config.port}: {reason}")) from error
    # Every accepted socket inherits these. The plain event loop would leave small answers to wait for others.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux only.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
    with listener:
        yield listener


async def _serve(config: Config, listener: socket.socket) -> None:
    async with open_service(config) as service:
        server = _Server(
            uvicorn.Config(
                service.asgi,
                http="httptools",
                ws=_SocketProtocol,
                ws_max_size=MAX_FRAME_BYTES,
                ws_ping_interval=None,
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_stop_on_signal(service, server, _hear_signals(server)))
            gc.freeze()  # What is there now stays to the end and need not be looked at again.
            _announce(config, listener)
            await server.serve(sockets=[listener])
    _log.info("stopped")


def _hear_signals(server: uvicorn.Server) -> asyncio.Event:
    """Take SIGINT and SIGTERM from here on, before anybody is told that there is something to stop."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    def tell() -> None:
        server.force_exit = told.is_set()
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, tell)
    return told


async def _stop_on_signal(service: Service, server: uvicorn.Server, told: asyncio.Event) -> None:
    """Wait for a signal, then: not ready, drain the sockets, stop the server. A second signal hurries."""
    await told.wait()
    _log.info("stopping")
    await service.drain()
    server.should_exit = True


def _announce(config: Config, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    _log.info("listening", address=address)
    if config.dev:
        print(f"\n  Sanctum Messaging: open {address}/?user=ann and, in another tab, {address}/?user=bob\n", flush=True)  # noqa: T201 - the one line that is for a person


class _SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's sockets, which else log an error whenever a handshake was refused with an answer of its own."""

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers, which would cut every socket at once."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
