"""The parts of an instance, as they belong together, and the order in which they run and stop."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from sanctum_messaging.api.origins import OriginPolicy
from sanctum_messaging.api.socket_frames import create_on_frame
from sanctum_messaging.bootstrap.rate_limits import is_enforced
from sanctum_messaging.bootstrap.sharing import announcing
from sanctum_messaging.bootstrap.sockets import admit_frames_with, authenticate_with, handshakes_of, take_on_with
from sanctum_messaging.bootstrap.tokens import recorded
from sanctum_messaging.bootstrap.tracing import traced
from sanctum_messaging.config import ConfigError, Fault
from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.hub.hub import WebSocketHub
from sanctum_messaging.hub.settings import HubSettings
from sanctum_messaging.observability.hot_events import find_write_event
from sanctum_messaging.observability.loop_lag import LoopLag
from sanctum_messaging.ports import Ports
from sanctum_messaging.workers.coalescing import (
    ReadMarkerWriter,
    ResumeStateDropper,
    ResumeStateLoader,
    ResumeStateWriter,
)
from sanctum_messaging.workers.participant_cache import ParticipantCache
from sanctum_messaging.workers.retention import run_retention
from sanctum_messaging.workers.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.bootstrap.sharing import Sharing
    from sanctum_messaging.bootstrap.storage import Storage
    from sanctum_messaging.bootstrap.tokens import TokenWatch
    from sanctum_messaging.config import Config
    from sanctum_messaging.guards.admission import Admission
    from sanctum_messaging.guards.rate_limits import RateLimits
    from sanctum_messaging.observability.hot_events import Fields, WriteEvent
    from sanctum_messaging.observability.tracing import Tracer
    from sanctum_messaging.ports.clock import Clock


LAST_WRITES_SECONDS = 1.0
"""How long the end waits for what is written then, which takes milliseconds unless the database is silent. Nobody waits
for it any more: all requests were answered, or cut off."""


class Instance:
    """One process' writers, cache and hub over a storage, and its link to the other instances."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        admission: Admission,
        *,
        storage: Storage,
        sharing: Sharing,
        tokens: TokenWatch,
        tracer: Tracer | None,
        limits: RateLimits,
    ) -> None:
        store, bus = storage.store, sharing.bus
        self.clock = clock
        self.storage = storage
        self.sharing = sharing
        self.tokens = tokens
        self.limits = limits
        self.tracer = tracer
        self.writer = Writer(store, traced(bus.publish, tracer, lambda: self.hub), clock, tracer)
        self.markers = ReadMarkerWriter(store, clock)
        self.resume_states = ResumeStateWriter(sharing.resume_states, clock)
        self.takeovers = ResumeStateLoader(sharing.resume_states, clock)
        self.farewells = ResumeStateDropper(sharing.resume_states, clock)
        self.participants = ParticipantCache(store, clock, sharing.participants, use_memory=sharing.is_heard)
        self.ports = Ports(
            store=store, log=self.writer, markers=self.markers, participants=self.participants, bus=bus, clock=clock
        )
        self.loop_lag = LoopLag(clock.monotonic)
        self.handshakes = handshakes_of(config, clock, waiting=lambda: self.hub.view.pages_waiting)
        self.hub = WebSocketHub(
            authenticate=authenticate_with(admission, limits, origin_policy(config)),
            load_resume_state=announcing(self.takeovers.load, bus),
            persist_resume_state=self.resume_states.persist,
            drop_resume_state=self.farewells.drop,
            log=store,
            on_frame=recorded(create_on_frame(self.ports), tokens.audit),
            admit_frame=admit_frames_with(limits),
            is_revoked=tokens.known.is_revoked,
            is_trusted=admission.trusts,
            take_on=take_on_with(self.handshakes, limits),
            settings=HubSettings(
                now=clock.now,
                monotonic=clock.monotonic,
                connections_per_user=config.connections_per_user,
                frames_per_second=config.rate_limit_frames,
                refuses_frames=is_enforced(config),
            ),
            sweep_seconds=sharing.sweep_seconds,
            invalidate=self.participants.invalidate,
            write_event=access_log(config) or _write_nothing,
        )
        bus.attach(self.hub)
        tokens.attach(self.hub.end_revoked)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run all parts. They stop in the opposite order: what was taken is written, and what was written is told.

        Raises:
            ConfigError: the database can't be read now; within an exception group, as the other parts run already.
        """
        async with asyncio.TaskGroup() as links:
            link = links.create_task(self._link())
            sampling = links.create_task(self.loop_lag.run())
            try:
                async with self._writing(), self._delivering(), self.tokens.following():
                    yield
            finally:
                link.cancel()
                sampling.cancel()

    async def _link(self) -> None:
        await self.sharing.run()

    @asynccontextmanager
    async def _writing(self) -> AsyncGenerator[None]:
        resumption = (self.resume_states, self.takeovers, self.farewells)
        writers = (self.writer, self.markers, *resumption, self.tokens.audit)
        async with asyncio.TaskGroup() as tasks:
            retention = tasks.create_task(run_retention(self.storage.store, self.clock))
            runs = [tasks.create_task(each.run()) for each in writers]
            try:
                yield
            finally:
                retention.cancel()
                for each in writers:
                    each.close()
                _, late = await asyncio.wait(runs, timeout=LAST_WRITES_SECONDS)
                for run in late:
                    run.cancel()

    @asynccontextmanager
    async def _delivering(self) -> AsyncGenerator[None]:
        await self.participants.start()
        try:
            async with AsyncExitStack() as stack:
                try:
                    await stack.enter_async_context(self.hub)
                except UnavailableError as error:
                    raise ConfigError(Fault("DATABASE_URL", error.detail)) from error
                yield
        finally:
            await self.participants.stop()


def faults_of(instance: Instance) -> tuple[str, ...]:
    """Name what is wrong with an instance and keeps nobody from being served."""
    own = {
        "appends_fail": instance.writer.is_failing,
        "event_loop_late": instance.loop_lag.is_late(),
        "revocations_unreadable": not instance.tokens.is_current,
    }
    return (
        *instance.storage.risks,
        *instance.sharing.faults(),
        *(name for name, present in own.items() if present),
    )


def access_log(config: Config) -> WriteEvent | None:
    """Find what takes a line for each request and each connection; none if none is wanted."""
    return find_write_event() if config.access_log else None


def origin_policy(config: Config) -> OriginPolicy:
    """Say which origins' pages may call, over HTTP and on the socket."""
    return OriginPolicy(config.cors_allowed_origins, credentials=config.cors_allow_credentials)


def _write_nothing(_event: str, _fields: Fields) -> None:
    """Do not tell of connections."""
