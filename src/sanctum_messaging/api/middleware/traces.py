"""Every request is a span, if there are spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.api.calls import ROUTE, find_header
from sanctum_messaging.api.problems import REQUEST_ID
from sanctum_messaging.api.request_counts import METHODS, OTHER

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sanctum_messaging.observability.tracing import Tracer


class Traces:
    """Goes on with the trace of the caller (``traceparent``); what it tells of a request is what the log tells."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        """Wrap an application."""
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        method = scope["method"] if scope["method"] in METHODS else OTHER
        with self._tracer.follow(method, find_header(scope, b"traceparent")) as span:
            try:
                await self._app(scope, receive, watch)
            finally:
                path = scope.get(ROUTE, OTHER).rpartition(" ")[2]
                span.rename(f"{method} {path}")
                span.note(
                    http__request__method=method,
                    http__route=path,
                    http__response__status_code=status,
                    request_id=scope.get(REQUEST_ID, ""),
                )
