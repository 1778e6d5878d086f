"""The client's address and scheme behind proxies, for all that comes after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.api.calls import find_header
from sanctum_messaging.guards.addresses import find_client

if TYPE_CHECKING:
    from starlette.types import Scope

    from sanctum_messaging.guards.addresses import Networks

_SCHEMES = {("http", "http"): "http", ("http", "https"): "https"}
_SCHEMES |= {("websocket", "http"): "ws", ("websocket", "https"): "wss"}


class ClientAddress:
    """Puts into the scope who called the trusted proxies, and by which scheme; other headers about it are ignored."""

    def __init__(self, trusted: Networks) -> None:
        """Trust the proxies of some networks."""
        self._trusted = trusted

    def find(self, scope: Scope) -> None:
        """Replace what the server knows, where a proxy knows better."""
        client = scope.get("client")
        if client is None:
            return
        peer, port = client
        proxied = peer in self._trusted
        address = find_client(peer, find_header(scope, b"x-forwarded-for") if proxied else None, self._trusted)
        if address != peer:
            scope["client"] = (address, port)
        told = find_header(scope, b"x-forwarded-proto") if proxied else None
        if told is not None:
            # Of several, the last is the word of the proxy that called us.
            scheme = (scope["type"], told.rpartition(",")[2].strip().lower())
            scope["scheme"] = _SCHEMES.get(scheme, scope["scheme"])
