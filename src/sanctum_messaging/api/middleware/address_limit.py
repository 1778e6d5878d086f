"""What one address may ask for, whoever it is that asks: before anybody is known, and if nobody ever is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.api.calls import VERDICT, find_address
from sanctum_messaging.api.routing import PROBE_PATHS, WS_PATH
from sanctum_messaging.domain.limits import Use

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from sanctum_messaging.api.middleware.front import Answer
    from sanctum_messaging.guards.rate_limits import RateLimits


_READ = Use.READ
_UNCHECKED = {"http": PROBE_PATHS, "websocket": frozenset({WS_PATH})}


class AddressCount:
    """Counts whatever never got so far that its caller was known: preflights, unknown paths, pages, missing tokens."""

    def __init__(self, limits: RateLimits) -> None:
        """Count in these."""
        self._limits = limits

    def count(self, scope: Scope, _answer: Answer) -> None:
        """Count a request or a socket that is over, if nothing has counted it so far."""
        if VERDICT not in scope and scope["path"] not in PROBE_PATHS:
            self._limits.count_address(_READ, find_address(scope))


class AddressCheck:
    """Refuses requests of an address that has nothing left here, before anything is done for them.

    Sockets are refused where their handshakes are, if there is such a place: the endpoint knows how to say it to a
    browser.
    """

    def __init__(self, app: ASGIApp, limits: RateLimits) -> None:
        """Wrap an application."""
        self._app = app
        self._limits = limits
        self._spent = limits.spent

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request.

        Raises:
            RateLimitedError: the address has nothing left.
        """
        if self._spent and scope["type"] != "lifespan" and scope["path"] not in _UNCHECKED[scope["type"]]:
            self._limits.check_address(_READ, find_address(scope))
        return self._app(scope, receive, send)
