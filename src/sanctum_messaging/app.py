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

    from sanctum_messaging.bootstrap.service import Service
    from sanctum_messaging.config import Config
    from sanctum_messaging.server.server import Server
    from sanctum_messaging.supervisor.membership import Membership

GC_THRESHOLDS = (20_000, 20, 100)
"""Requests make many short-lived objects and few cycles: at the usual 700 the collector takes a tenth of the processor
time of a send."""
SWITCH_INTERVAL_SECONDS = 0.0005
"""How long a thread may keep the interpreter while another waits. With the default of 5 ms the writer's thread, which
asks for it once per statement, is starved by a busy event loop: a batch took 555 ms instead of 8."""
LAST_REQUESTS_SECONDS = 5.0
"""How long requests are still taken over connections that are open, if the drain is not shorter: each answer says that
its connection ends, so that a load balancer has none left by then that it uses."""

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


class Stop:
    """What the service is told about its end: that it comes, that it can't wait, and that nothing is waited for."""

    def __init__(self, drain_seconds: float) -> None:
        self.drain_seconds = drain_seconds
        self.told = asyncio.Event()
        self.urgent = asyncio.Event()
        self.is_forced = False

    def ask(self) -> None:
        """Stop, with time for everybody to go elsewhere; said again it changes nothing."""
        if self.drain_seconds == 0:
            self.urgent.set()
        self.told.set()

    def insist(self) -> None:
        """Stop, with time for everybody to go elsewhere; said again, without."""
        (self.hurry if self.told.is_set() else self.ask)()

    def hurry(self) -> None:
        """Stop at once; said to who does so already, without waiting for what is under way."""
        self.is_forced = self.urgent.is_set()
        self.urgent.set()
        self.told.set()


async def _serve(config: Config, listener: socket.socket) -> None:
    stop = Stop(config.drain_seconds)
    async with open_tracer(os.environ) as tracer, open_service(config, tracer=tracer) as service:
        await _serve_until_told(
            service, listener, stop, on_sigterm=stop.insist, on_listening=lambda: announce(config, listener)
        )
    _log.info("stopped")


async def _serve_as_worker(config: Config, membership: Membership) -> None:
    stop = Stop(config.drain_seconds)
    share = membership.share_metrics
    async with (
        open_tracer(os.environ) as tracer,
        open_service(config, share, tracer) as service,
        membership.joined(on_orphaned=stop.hurry),
    ):
        # Whoever ends all processes of a service sends SIGTERM to this one, too, which hears it from the supervisor.
        await _serve_until_told(
            service, membership.listener, stop, on_sigterm=stop.ask, on_listening=membership.announce
        )
    _log.info("stopped")


async def _serve_until_told(
    service: Service,
    listener: socket.socket,
    stop: Stop,
    *,
    on_sigterm: Callable[[], None],
    on_listening: Callable[[], None],
) -> None:
    server = create_server(service.asgi, service.intake, backlog=BACKLOG)
    _hear_signals(server, stop, on_sigterm)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_stop_when_told(service, server, stop))
        gc.freeze()  # What is there now stays to the end and need not be looked at again.
        on_listening()
        await server.serve(sockets=[listener])


def _hear_signals(server: Server, stop: Stop, on_sigterm: Callable[[], None]) -> None:
    """Take SIGINT and SIGTERM from here on, before anybody is told that there is something to stop."""

    def hear(act: Callable[[], None]) -> None:
        act()
        server.force_exit = stop.is_forced

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, hear, stop.hurry)
    loop.add_signal_handler(signal.SIGTERM, hear, on_sigterm)


async def _stop_when_told(service: Service, server: Server, stop: Stop) -> None:
    """Wait to be told, then: not ready, no new connections; all are given time to go, unless there is none."""
    await stop.told.wait()
    _log.info("stopping")
    service.gate.close()
    await server.stop_listening()
    async with asyncio.TaskGroup() as tasks:
        going = tasks.create_task(_let_go(service, server, stop.drain_seconds))
        urgent = tasks.create_task(stop.urgent.wait())
        await asyncio.wait((going, urgent), return_when=asyncio.FIRST_COMPLETED)
        going.cancel()
        urgent.cancel()
    await service.drain()
    server.should_exit = True


async def _let_go(service: Service, server: Server, seconds: float) -> None:
    """Serve until the sockets have gone elsewhere, and connections for requests had time to be used once more."""
    until = asyncio.get_running_loop().time() + min(LAST_REQUESTS_SECONDS, seconds)
    await service.hub.drain_over(seconds)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            await server.wait_for_clients()
