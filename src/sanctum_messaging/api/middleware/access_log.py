"""Every request leaves a line in the log and is counted, once it is answered."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging.api.calls import ACTOR, REFUSED_HANDSHAKE, ROUTE, find_address
from sanctum_messaging.api.problems import REQUEST_ID
from sanctum_messaging.api.request_counts import METHODS, OPERATIONS, OTHER, kinds_of
from sanctum_messaging.api.routes import ROUTES
from sanctum_messaging.api.routing import PROBE_PATHS
from sanctum_messaging.presenters import name_actor

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sanctum_messaging.api.services import Services

PROBES = frozenset(f"GET {path}" for path in PROBE_PATHS)
"""Of these a line tells only that they failed."""

_log = structlog.get_logger("sanctum.api")


class AccessLog:
    """Tells who asked for what and how it was answered: names and numbers of ours, and nothing that a client wrote.

    The exceptions are the names of tenants and users, from proven tokens, and the request's id. Of sockets the refused
    ones are told of here; the others have lines of their own.
    """

    def __init__(self, app: ASGIApp, services: Services) -> None:
        """Wrap an application."""
        self._app = app
        self._requests = services.requests
        self._write = services.access_log
        self._monotonic = services.ports.clock.monotonic
        self._kinds = kinds_of(ROUTES) | dict.fromkeys(PROBES, OPERATIONS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        begun = self._monotonic()
        if scope["type"] == "http":
            answer = _Answer(send)
            try:
                await self._app(scope, receive, answer.send)
            finally:
                self._tell(scope, scope["method"], answer, self._monotonic() - begun)
        else:
            await self._app(scope, receive, send)
            if REFUSED_HANDSHAKE in scope:
                answer = _Answer(send)
                answer.status = scope[REFUSED_HANDSHAKE]
                self._tell(scope, "GET", answer, self._monotonic() - begun)

    def _tell(self, scope: Scope, method: str, answer: _Answer, seconds: float) -> None:
        name = scope.get(ROUTE, OTHER)
        path = name.rpartition(" ")[2]
        method = method if method in METHODS else OTHER
        self._requests.count(method, path, answer.status, kind=self._kinds.get(name, OTHER), seconds=seconds)
        if self._write is None:
            return
        actor = scope.get(ACTOR)
        fields = {
            "request_id": scope.get(REQUEST_ID),
            "method": method,
            "route": path,
            "status": answer.status or None,
            "duration_ms": round(seconds * 1000, 3),
            "address": find_address(scope),
            "bytes": answer.bytes,
            **({} if actor is None else name_actor(actor)),
        }
        if name in PROBES and answer.status == HTTPStatus.OK:
            _log.debug("request", **fields)
        else:
            self._write("request", fields)


class _Answer:
    """What goes out, as it goes out."""

    __slots__ = ("_send", "bytes", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.bytes = 0

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.bytes += len(message.get("body", b""))
        return self._send(message)
