"""The ways in which the hub has a socket of our server: as it is handed over, and as ASGI messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sanctum_messaging.ports.transport import SERVER_SOCKET

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

Endpoint = Callable[["ASGIApp"], "ASGIApp"]
"""Stands between the server and the service."""


def with_sockets(app: ASGIApp) -> ASGIApp:
    """Leave everything as it is: the service takes the sockets that the server offers."""
    return app


def without_sockets(app: ASGIApp) -> ASGIApp:
    """Keep the sockets that the server offers from the service, as any other server would."""

    async def offer_nothing(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            del scope["extensions"][SERVER_SOCKET]
        await app(scope, receive, send)

    return offer_nothing


ENDPOINTS: dict[str, Endpoint] = {"native": with_sockets, "asgi": without_sockets}
