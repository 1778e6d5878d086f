"""The service, put together and running."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanctum_messaging.actions.identity import authenticate
from sanctum_messaging.adapters.memory.bus import LocalBus
from sanctum_messaging.adapters.sqlite.resume_store import SQLiteResumeStore
from sanctum_messaging.adapters.sqlite.store import SQLiteStore
from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.api.application import create_api
from sanctum_messaging.api.origins import OriginPolicy
from sanctum_messaging.api.readiness import WriteProbe
from sanctum_messaging.api.services import ApiSettings, Readiness, Services
from sanctum_messaging.api.socket_frames import create_on_frame
from sanctum_messaging.bootstrap.identity import development_issuer, token_verifier
from sanctum_messaging.bootstrap.readings import service_readings
from sanctum_messaging.bootstrap.storage import open_database
from sanctum_messaging.demo.routes import demo_routes
from sanctum_messaging.domain.errors import ForbiddenError, UnauthenticatedError
from sanctum_messaging.hub.endpoints.asgi import WebSocketEndpoint
from sanctum_messaging.hub.hub import WebSocketHub
from sanctum_messaging.hub.settings import HubSettings
from sanctum_messaging.observability.metrics import ShareMetrics, create_render_metrics, share_with_nobody
from sanctum_messaging.ports import Ports
from sanctum_messaging.workers.coalescing import ReadMarkerWriter, ResumeStateWriter
from sanctum_messaging.workers.participant_cache import ParticipantCache
from sanctum_messaging.workers.retention import run_retention
from sanctum_messaging.workers.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import ASGIApp

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.config import Config
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.hub.callables import Authenticate, Credentials
    from sanctum_messaging.ports.identity import TokenVerifier


class Gate:
    """Tells whether the instance should be given requests: not while it stops, and not while writes fail."""

    def __init__(self, probe: WriteProbe) -> None:
        self._probe = probe
        self._closed = False

    def close(self) -> None:
        """Want no more requests."""
        self._closed = True

    async def ready(self) -> Readiness:
        """Look now."""
        return Readiness("not_ready", "stopping") if self._closed else await self._probe.check()


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: serve ``asgi``, and ``drain`` before stopping to serve it."""

    asgi: ASGIApp
    hub: WebSocketHub
    gate: Gate

    async def drain(self) -> None:
        """Be unready, and send every socket and every poll away; takes 5 s at most."""
        self.gate.close()
        await self.hub.drain()


@asynccontextmanager
async def open_service(config: Config, share_metrics: ShareMetrics = share_with_nobody) -> AsyncGenerator[Service]:
    """Open the database, start the workers and the hub; stop them in the opposite order, losing nothing.

    ``share_metrics`` makes of this process' own metrics what ``/metrics`` shows.

    Raises:
        ConfigError: the database or the keys can't be had.
    """
    clock = SystemClock()
    verifier = token_verifier(config, clock.now)
    with open_database(config) as database:
        await verifier.start()
        try:
            async with _running(config, clock, database, verifier, share_metrics=share_metrics) as service:
                yield service
        finally:
            await verifier.close()


@asynccontextmanager
async def _running(
    config: Config, clock: SystemClock, database: Database, verifier: TokenVerifier, *, share_metrics: ShareMetrics
) -> AsyncGenerator[Service]:
    store, bus = SQLiteStore(database, clock), LocalBus()
    writer = Writer(store, bus.publish, clock)
    markers = ReadMarkerWriter(store, clock)
    resume_store = SQLiteResumeStore(database, clock)
    resume_states = ResumeStateWriter(resume_store, clock)
    participants = ParticipantCache(store, clock)
    ports = Ports(store=store, log=writer, markers=markers, participants=participants, bus=bus, clock=clock)
    hub = WebSocketHub(
        authenticate=_authenticate_with(verifier, _origins(config)),
        load_resume_state=resume_store.load,
        persist_resume_state=resume_states.persist,
        drop_resume_state=resume_store.drop,
        log=store,
        on_frame=create_on_frame(ports),
        settings=HubSettings(now=clock.now, monotonic=clock.monotonic),
        invalidate=participants.invalidate,
    )
    bus.attach(hub)
    gate = Gate(WriteProbe(store, clock))
    asgi = create_api(
        Services(
            ports=ports,
            verifier=verifier,
            streams=hub,
            websocket=WebSocketEndpoint(hub),
            render_metrics=share_metrics(create_render_metrics(service_readings(writer, hub, participants))),
            ready=gate.ready,
            settings=ApiSettings(config.cors_allowed_origins, config.cors_allow_credentials, config.docs),
            extra_routes=tuple(demo_routes(development_issuer(config, clock.now))) if config.dev else (),
        )
    )
    writers = (writer, markers, resume_states)
    async with asyncio.TaskGroup() as tasks:
        retention = tasks.create_task(run_retention(store, clock))
        for each in writers:
            tasks.create_task(each.run())
        try:
            await participants.start()
            async with hub:
                yield Service(asgi, hub, gate)
        finally:
            await participants.stop()
            retention.cancel()
            for each in writers:
                each.close()


def _origins(config: Config) -> OriginPolicy:
    return OriginPolicy(config.cors_allowed_origins, credentials=config.cors_allow_credentials)


def _authenticate_with(verifier: TokenVerifier, origins: OriginPolicy) -> Authenticate:
    async def authenticate_socket(credentials: Credentials, origin: str | None, peer: str | None) -> Actor:
        del peer  # The endpoint has already passed over the service's own origin; the others must be listed.
        if not origins.allows(origin, scheme="", host=None):
            detail = "Sockets from this origin are not allowed."
            raise ForbiddenError(detail, code="origin_not_allowed")
        if credentials.token is None:
            raise UnauthenticatedError
        return await authenticate(verifier, credentials.token, credentials.act_as)

    return authenticate_socket
