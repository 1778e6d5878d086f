"""The running service: uvicorn on a listening socket, and a stop that loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

import structlog
import uvloop

from sanctum_messaging.bootstrap.service import open_service
from sanctum_messaging.bootstrap.tracing import open_tracer
from sanctum_messaging.listening import BACKLOG, announce, open_listener
from sanctum_messaging.server.limits import raise_descriptor_limit
from sanctum_messaging.server.server import create_server

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

    import uvicorn

    from sanctum_messaging.bootstrap.service import Service
    from sanctum_messaging.config import Config
    from sanctum_messaging.supervisor.membership import Membership

GC_THRESHOLDS = (20_000, 20, 100)
"""Requests make many short-lived objects and few cycles: at the usual 700 the collector takes a tenth of the processor
time of a send."""
SWITCH_INTERVAL_SECONDS = 0.0005
"""How long a thread may keep the interpreter while another waits. With the default of 5 ms the writer's thread, which
asks for it once per statement, is starved by a busy event loop: a batch took 555 ms instead of 8."""

_log = structlog.get_logger()


def serve(config: Config) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code.

    Raises:
        ConfigError: the address, the database or the keys can't be had.
    """
    with open_listener(config) as listener:
        _run(_serve(config, listener))
    return 0


def serve_as_worker(config: Config, membership: Membership) -> int:
    """Serve as one of several processes, until a signal or the end of the supervisor; return the exit code.

    Raises:
        ConfigError: the database or the keys can't be had.
    """
    with contextlib.closing(membership):
        _run(_serve_as_worker(config, membership))
    return 0


def _run(serving: Coroutine[None, None, None]) -> None:
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.set_threshold(*GC_THRESHOLDS)
    raise_descriptor_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving)


async def _serve(config: Config, listener: socket.socket) -> None:
    async with open_tracer(os.environ) as tracer, open_service(config, tracer=tracer) as service:
        await _serve_until_told(service, listener, asyncio.Event(), lambda: announce(config, listener))
    _log.info("stopped")


async def _serve_as_worker(config: Config, membership: Membership) -> None:
    told = asyncio.Event()
    share = membership.share_metrics
    async with (
        open_tracer(os.environ) as tracer,
        open_service(config, share, tracer) as service,
        membership.joined(on_orphaned=told.set),
    ):
        await _serve_until_told(service, membership.listener, told, membership.announce)
    _log.info("stopped")


async def _serve_until_told(
    service: Service, listener: socket.socket, told: asyncio.Event, on_listening: Callable[[], None]
) -> None:
    server = create_server(service.asgi, service.intake, backlog=BACKLOG)
    _hear_signals(server, told)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_stop_on_signal(service, server, told))
        gc.freeze()  # What is there now stays to the end and need not be looked at again.
        on_listening()
        await server.serve(sockets=[listener])


def _hear_signals(server: uvicorn.Server, told: asyncio.Event) -> None:
    """Take SIGINT and SIGTERM from here on, before anybody is told that there is something to stop."""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        server.force_exit = told.is_set()
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, tell)


async def _stop_on_signal(service: Service, server: uvicorn.Server, told: asyncio.Event) -> None:
    """Wait for a signal, then: not ready, drain the sockets, stop the server. A second signal hurries."""
    await told.wait()
    _log.info("stopping")
    await service.drain()
    server.should_exit = True
