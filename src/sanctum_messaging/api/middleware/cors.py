"""CORS: which pages may call, and what they may see of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.api.calls import Headers, find_header
from sanctum_messaging.api.problems import send_problem
from sanctum_messaging.domain.errors import SanctumError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sanctum_messaging.api.origins import OriginPolicy

_METHODS = b"GET, HEAD, POST, PATCH, DELETE"
_REQUEST_HEADERS = (
    b"Authorization, Content-Type, Act-As, Idempotency-Key, If-Match, X-Request-Id, traceparent, tracestate"
)
"""The last two are sent with every call of a page that is traced; a browser makes none where one of them may not be."""
_EXPOSED = (
    b"ETag, Idempotent-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id"
)
_MAX_AGE_S = b"7200"
"""As long as Chromium keeps it at most."""
_VARY = (b"vary", b"Origin")


class CORS:
    """Answers preflights, marks answers for the pages that may see them, and refuses the others."""

    def __init__(self, app: ASGIApp, policy: OriginPolicy) -> None:
        """Wrap an application."""
        self._app = app
        self._policy = policy

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request; sockets check their origin at the handshake, by the same policy."""
        if scope["type"] == "lifespan":
            return self._app(scope, receive, send)
        origin = find_header(scope, b"origin")
        if origin is None and not self._policy.listed:
            return self._app(scope, receive, send)
        return self._serve(scope, receive, send, origin=origin)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, *, origin: str | None) -> None:
        headers = self._headers(origin)

        async def send_with_headers(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        allowed = self._policy.allows(origin, scheme=scope["scheme"], host=find_header(scope, b"host"))
        if not allowed:
            headers = (_VARY,)
        if not allowed and scope["type"] == "http":
            refusal = SanctumError("Requests from this origin are not allowed.", code="origin_not_allowed")
            await send_problem(scope, send_with_headers, refusal)
        elif origin is not None and _is_preflight(scope):
            await _answer_preflight(send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _headers(self, origin: str | None) -> Headers:
        if origin is None:
            return (_VARY,)
        exposed = (b"access-control-expose-headers", _EXPOSED)
        if not self._policy.listed:
            return ((b"access-control-allow-origin", b"*"), exposed)
        echoed = (b"access-control-allow-origin", origin.encode("latin-1", "replace"))
        if not self._policy.credentials:
            return (echoed, exposed, _VARY)
        return (echoed, exposed, _VARY, (b"access-control-allow-credentials", b"true"))


def _is_preflight(scope: Scope) -> bool:
    return scope.get("method") == "OPTIONS" and find_header(scope, b"access-control-request-method") is not None


async def _answer_preflight(send: Send) -> None:
    headers = [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", _REQUEST_HEADERS),
        (b"access-control-max-age", _MAX_AGE_S),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
