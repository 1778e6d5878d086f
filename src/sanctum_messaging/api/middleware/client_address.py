"""The client's address and scheme behind proxies, for all that comes after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.api.calls import find_header
from sanctum_messaging.guards.addresses import find_client

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from sanctum_messaging.guards.addresses import Networks

_SCHEMES = {("http", "http"): "http", ("http", "https"): "https"}
_SCHEMES |= {("websocket", "http"): "ws", ("websocket", "https"): "wss"}


class ClientAddress:
    """Puts into the scope who called the trusted proxies, and by which scheme; other headers about it are ignored."""

    def __init__(self, app: ASGIApp, trusted: Networks) -> None:
        """Wrap an application."""
        self._app = app
        self._trusted = trusted

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request; it is handed on without a step of its own in between."""
        client = scope.get("client")
        if client is not None:
            peer, port = client
            proxied = peer in self._trusted
            address = find_client(peer, find_header(scope, b"x-forwarded-for") if proxied else None, self._trusted)
            if address != peer:
                scope["client"] = (address, port)
            if proxied:
                self._adopt_scheme(scope)
        return self._app(scope, receive, send)

    @staticmethod
    def _adopt_scheme(scope: Scope) -> None:
        # Of several, the last is the word of the proxy that called us.
        told = (find_header(scope, b"x-forwarded-proto") or "").rpartition(",")[2].strip().lower()
        scope["scheme"] = _SCHEMES.get((scope["type"], told), scope["scheme"])
