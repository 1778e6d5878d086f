"""No body above the bound is read, whether its length is told or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.api.calls import find_header
from sanctum_messaging.domain.errors import SanctumError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Refuses a body by its announced length, and counts the bytes of one that announces none."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        """Wrap an application."""
        self._app = app
        self._max_bytes = max_bytes

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request.

        Raises:
            SanctumError: ``body_too_large``.
        """
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        length = find_header(scope, b"content-length")
        if length is None or not length.isdecimal():
            receive = self._counted(receive)
        elif int(length) > self._max_bytes:
            raise self._refusal()
        return self._app(scope, receive, send)

    def _counted(self, receive: Receive) -> Receive:
        total = 0

        async def counted() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            if total > self._max_bytes:
                raise self._refusal()
            return message

        return counted

    def _refusal(self) -> SanctumError:
        return SanctumError(f"A body has at most {self._max_bytes} bytes.", code="body_too_large")
