"""The service, put together and running."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.api.application import create_api
from sanctum_messaging.api.readiness import WriteProbe
from sanctum_messaging.api.request_counts import RequestCounts
from sanctum_messaging.api.services import ApiSettings, Services
from sanctum_messaging.bootstrap.administration import open_administration
from sanctum_messaging.bootstrap.gate import Gate
from sanctum_messaging.bootstrap.identity import development_issuer, find_keyless, token_verifier
from sanctum_messaging.bootstrap.instance import Instance, access_log, faults_of
from sanctum_messaging.bootstrap.rate_limits import rate_limits_of
from sanctum_messaging.bootstrap.readings import instance_readings
from sanctum_messaging.bootstrap.readings.identity import identity_readings
from sanctum_messaging.bootstrap.readings.process import process_readings
from sanctum_messaging.bootstrap.readings.requests import request_readings
from sanctum_messaging.bootstrap.readings.server import server_readings
from sanctum_messaging.bootstrap.sharing import open_sharing
from sanctum_messaging.bootstrap.storage import open_storage
from sanctum_messaging.bootstrap.tokens import TokenWatch
from sanctum_messaging.demo.routes import demo_routes
from sanctum_messaging.guards.addresses import Networks
from sanctum_messaging.guards.admission import Admission
from sanctum_messaging.hub.endpoints.asgi import WebSocketEndpoint
from sanctum_messaging.observability.metrics import ShareMetrics, create_render_metrics, share_with_nobody
from sanctum_messaging.observability.tracing import Tracer
from sanctum_messaging.server.intake import Intake
from sanctum_messaging.server.limits import limits_of_process

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import ASGIApp

    from sanctum_messaging.adapters.jwt.verifier import JWTVerifier
    from sanctum_messaging.config import Config
    from sanctum_messaging.hub.hub import WebSocketHub


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: serve ``asgi``, and ``drain`` before stopping to serve it."""

    asgi: ASGIApp
    hub: WebSocketHub
    gate: Gate
    intake: Intake

    async def drain(self) -> None:
        """Be unready, and send every socket and every poll away; takes 5 s at most."""
        self.gate.close()
        await self.hub.drain()


@asynccontextmanager
async def open_service(
    config: Config, share_metrics: ShareMetrics = share_with_nobody, tracer: Tracer | None = None
) -> AsyncGenerator[Service]:
    """Open the database, start the workers and the hub; stop them in the opposite order, losing nothing.

    ``share_metrics`` makes of this process' own metrics what ``/metrics`` shows.

    Raises:
        ConfigError: the database, Redis or the keys can't be had.
    """
    clock = SystemClock()
    verifier = token_verifier(config, clock.now)
    async with open_storage(config, clock) as storage, open_sharing(config, storage, clock) as sharing:
        try:
            await verifier.start()
            tokens = TokenWatch(storage, clock)
            limits = rate_limits_of(config, clock, limiter=sharing.limiter, local=sharing.local_limiter)
            admission = Admission(verifier, tokens.known, tokens.audit, limits)
            instance = Instance(
                config, clock, admission, storage=storage, sharing=sharing, tokens=tokens, limits=limits, tracer=tracer
            )
            service = _serving(config, instance, share_metrics, admission=admission, verifier=verifier)
            async with instance.running(), open_administration(config, storage, tokens, clock), service.gate.watched():
                yield service
        finally:
            await verifier.close()


def _serving(
    config: Config, instance: Instance, share_metrics: ShareMetrics, *, admission: Admission, verifier: JWTVerifier
) -> Service:
    gate = _gate_of(instance, verifier)
    requests, intake = RequestCounts(), Intake(limits_of_process())
    readings = [
        *process_readings(instance.loop_lag, gate),
        *server_readings(intake),
        *request_readings(requests),
        *identity_readings(verifier),
        *instance_readings(instance),
    ]
    asgi = create_api(
        Services(
            ports=instance.ports,
            admission=admission,
            rate_limits=instance.limits,
            streams=instance.hub,
            websocket=WebSocketEndpoint(instance.hub),
            render_metrics=share_metrics(create_render_metrics(readings)),
            ready=gate.ready,
            settings=ApiSettings(
                config.cors_allowed_origins,
                config.cors_allow_credentials,
                config.docs,
                max_body_bytes=config.max_body_bytes,
                trusted_proxies=Networks(config.trusted_proxies),
                allowed_hosts=config.allowed_hosts,
            ),
            requests=requests,
            access_log=access_log(config),
            tracer=instance.tracer,
            extra_routes=tuple(demo_routes(development_issuer(config, instance.clock.now))) if config.dev else (),
        )
    )
    return Service(asgi, instance.hub, gate, intake)


def _gate_of(instance: Instance, verifier: JWTVerifier) -> Gate:
    return Gate(
        WriteProbe(instance.storage.store, instance.clock),
        lambda: (*faults_of(instance), *(["keys_unread"] if find_keyless(verifier) else ())),
        # With the keys of some issuers there is somebody to serve.
        can_admit=lambda: len(find_keyless(verifier)) < len(verifier.trusted),
    )
