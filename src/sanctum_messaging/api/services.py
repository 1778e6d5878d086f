"""What the HTTP API is given by the composition root."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sanctum_messaging.api.request_counts import RequestCounts
from sanctum_messaging.guards.addresses import NOBODY, Networks
from sanctum_messaging.observability.tracing import Tracer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from sanctum_messaging.guards.admission import Admission
    from sanctum_messaging.guards.rate_limits import RateLimits
    from sanctum_messaging.observability.hot_events import WriteEvent
    from sanctum_messaging.ports import Ports
    from sanctum_messaging.ports.streams import Streams

MAX_BODY_BYTES = 65_536
"""The same bound as for a frame of the socket; 8,000 characters and their metadata take at most 36 KiB."""


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """What an operator chooses; an empty list of origins admits any, without credentials; one of hosts any."""

    cors_origins: tuple[str, ...] = ()
    cors_credentials: bool = False
    docs: bool = True
    max_body_bytes: int = MAX_BODY_BYTES
    trusted_proxies: Networks = NOBODY
    allowed_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the instance should be given requests; ``code`` is the problem's where it should not.

    ``reasons`` are words of what is wrong while it is ``degraded``, for an operator.
    """

    state: Literal["ready", "degraded", "not_ready"]
    code: Literal["unavailable", "stopping"] = "unavailable"
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a request may need; ``extra_routes`` are those of development."""

    ports: Ports
    admission: Admission
    rate_limits: RateLimits
    streams: Streams
    websocket: ASGIApp
    render_metrics: Callable[[], Awaitable[bytes]]
    ready: Callable[[], Awaitable[Readiness]]
    settings: ApiSettings = ApiSettings()
    requests: RequestCounts = field(default_factory=RequestCounts)
    access_log: WriteEvent | None = None
    """Takes a line for each request; none if none is wanted."""
    tracer: Tracer | None = None
    extra_routes: tuple[BaseRoute, ...] = ()
