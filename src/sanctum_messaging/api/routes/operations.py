"""What operators and their tools ask, without a token: health, readiness, metrics, and the API's own description."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.api.asyncapi.document import create_document as describe_socket
from sanctum_messaging.api.calls import JSON, Reply, send_body, send_reply
from sanctum_messaging.api.docs.page import DocsPage
from sanctum_messaging.api.openapi.document import create_document
from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.protocol.answers import HealthResult, ReadinessResult

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from sanctum_messaging.api.openapi.schemas import Json
    from sanctum_messaging.api.routing import AnyRoute
    from sanctum_messaging.api.services import Services

_METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


def operations(services: Services, routes: tuple[AnyRoute, ...]) -> dict[str, ASGIApp]:
    """Make the endpoints by path; the description of the API is there unless it is switched off."""
    endpoints: dict[str, ASGIApp] = {
        "/healthz": get_health,
        "/readyz": _readiness(services),
        "/metrics": _metrics(services),
    }
    if services.settings.docs:
        document = create_document(routes)
        endpoints["/openapi.json"] = _document(document)
        endpoints["/asyncapi.json"] = _document(describe_socket())
        endpoints["/docs"] = DocsPage(document)
    return endpoints


async def get_health(scope: Scope, _receive: Receive, send: Send) -> None:
    """Say that the process answers, and nothing of what it depends on."""
    await send_reply(scope, send, Reply(200, HealthResult(status="ok")))


def _readiness(services: Services) -> ASGIApp:
    async def get_readiness(scope: Scope, _receive: Receive, send: Send) -> None:
        readiness = await services.ready()
        if readiness.state == "not_ready":
            raise UnavailableError("The instance should not be given requests now.", code=readiness.code)
        await send_reply(scope, send, Reply(200, ReadinessResult(readiness.state, list(readiness.reasons))))

    return get_readiness


def _metrics(services: Services) -> ASGIApp:
    async def get_metrics(scope: Scope, _receive: Receive, send: Send) -> None:
        body = await services.render_metrics()
        await send_body(scope, send, status=200, body=body, headers=((b"content-type", _METRICS_TYPE),))

    return get_metrics


def _document(document: Json) -> ASGIApp:
    encoded = msgspec.json.format(msgspec.json.encode(document), indent=2)

    async def get_document(scope: Scope, _receive: Receive, send: Send) -> None:
        await send_body(scope, send, status=200, body=encoded, headers=((b"content-type", JSON),))

    return get_document
