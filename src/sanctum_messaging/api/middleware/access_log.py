"""Every request leaves a line in the log and is counted, once it is answered."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging.api.calls import ACTOR, REASON, REFUSED_HANDSHAKE, ROUTE, find_address
from sanctum_messaging.api.problems import REQUEST_ID
from sanctum_messaging.api.request_counts import METHODS, OPERATIONS, OTHER, kinds_of
from sanctum_messaging.api.routes import ROUTES
from sanctum_messaging.api.routing import PROBE_PATHS
from sanctum_messaging.presenters import name_actor

if TYPE_CHECKING:
    from starlette.types import Scope

    from sanctum_messaging.api.middleware.front import Answer
    from sanctum_messaging.api.services import Services

PROBES = frozenset(f"GET {path}" for path in PROBE_PATHS)
"""Of these a line tells only that they failed."""

_log = structlog.get_logger("sanctum.api")


class AccessLog:
    """Tells who asked for what and how it was answered: names and numbers of ours, and nothing that a client wrote.

    The exceptions are the names of tenants and users, from proven tokens, and the request's id. Of sockets the refused
    ones are told of here; the others have lines of their own.
    """

    def __init__(self, services: Services) -> None:
        """Count in the service's numbers, and write to its log if it has one."""
        self._requests = services.requests
        self._write = services.access_log
        kinds = kinds_of(ROUTES) | dict.fromkeys(PROBES, OPERATIONS)
        self._known = {name: (name.rpartition(" ")[2], kind) for name, kind in kinds.items()}

    def tell(self, scope: Scope, answer: Answer) -> None:
        """Tell of a request that is over, or of a socket that was refused."""
        if scope["type"] == "http":
            self._tell(scope, scope["method"], answer.status, answer)
        elif REFUSED_HANDSHAKE in scope:
            self._tell(scope, "GET", scope[REFUSED_HANDSHAKE], answer)

    def _tell(self, scope: Scope, method: str, status: int, answer: Answer) -> None:
        name = scope.get(ROUTE, OTHER)
        path, kind = self._known.get(name) or (name.rpartition(" ")[2], OTHER)
        method = method if method in METHODS else OTHER
        self._requests.count(method, path, status, kind=kind, seconds=answer.seconds)
        if self._write is None:
            return
        fields = {
            "request_id": scope.get(REQUEST_ID),
            "method": method,
            "route": path,
            "status": status or None,
            "duration_ms": round(answer.seconds * 1000, 3),
            "address": find_address(scope),
            "bytes": answer.bytes,
            **_name_caller(scope),
        }
        if name in PROBES and status == HTTPStatus.OK:
            _log.debug("request", **fields)
        else:
            self._write("request", fields)


def _name_caller(scope: Scope) -> dict[str, str]:
    """Name who was calling, as far as that was proven; where his token was refused, say why."""
    actor, refused = scope.get(ACTOR), scope.get(REASON)
    named = {} if actor is None else name_actor(actor)
    return named if refused is None else {**named, "refused": refused}
