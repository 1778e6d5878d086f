"""The hosts that the service answers for: else a page whose name leads here could call it as if it were its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.api.calls import find_header
from sanctum_messaging.api.routing import PROBE_PATHS
from sanctum_messaging.domain.errors import SanctumError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Receive, Scope, Send


class Hosts:
    """Refuses requests and sockets that name another host."""

    def __init__(self, app: ASGIApp, allowed: tuple[str, ...]) -> None:
        """Wrap an application; a host without a port is allowed with any."""
        self._app = app
        self._allowed = frozenset(allowed)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request or one socket.

        Raises:
            SanctumError: ``host_not_allowed``.
        """
        if scope["type"] != "lifespan" and scope["path"] not in PROBE_PATHS:
            host = (find_header(scope, b"host") or "").lower()
            if host not in self._allowed and _without_port(host) not in self._allowed:
                raise SanctumError("The service does not answer for this host.", code="host_not_allowed")
        return self._app(scope, receive, send)


def _without_port(host: str) -> str:
    """Take away the port; colons within brackets belong to an address."""
    name, colon, port = host.rpartition(":")
    return name.removesuffix(".") if colon and port.isdecimal() else host.removesuffix(".")
