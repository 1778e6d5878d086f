"""The outer edge: whatever is raised within becomes a problem document."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from sanctum_messaging.api.calls import ACCEPTED, REASON, REFUSED_HANDSHAKE
from sanctum_messaging.api.problems import REQUEST_ID, ClientGoneError, refusal_of, send_problem
from sanctum_messaging.domain.errors import SanctumError
from sanctum_messaging.protocol.codes import PROBLEMS
from sanctum_messaging.server.refusals import REFUSED

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = structlog.get_logger("sanctum.api")


class Problems:
    """Answers refusals as such, the server's too; what nobody foresaw is logged and answered without a word of it."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one socket."""
        if scope["type"] == "websocket":
            await self._shake_hands(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        watch = _Watch(send)
        try:
            if REFUSED in scope:
                # Raised, it holds what holds the scope.
                raise scope.pop(REFUSED)
            await self._app(scope, receive, watch.send)
        except ClientGoneError:
            return
        except Exception as error:  # the outer edge: nothing may leave the process as it is
            if watch.started:
                # Half an answer can't be taken back; the server ends the connection.
                _find_refusal(error, scope)
                raise
            # No name is given to it here: its traceback holds this frame, and would keep all of the request with it
            # until the collector comes.
            await send_problem(scope, send, _find_refusal(error, scope))

    async def _shake_hands(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a socket with a problem too, or as the server can; only what never accepts it raises a refusal."""

        async def send_refusal(message: Message) -> None:
            await send({**message, "type": f"websocket.{message['type']}"})

        try:
            await self._app(scope, receive, send)
        except Exception as error:  # the outer edge here too
            if ACCEPTED in scope:
                # An open socket can't be refused any more; the server closes it.
                raise
            refusal = _find_refusal(error, scope)
            scope[REFUSED_HANDSHAKE] = PROBLEMS[refusal.code].status
            if "websocket.http.response" in (scope.get("extensions") or {}):
                await send_problem(scope, send_refusal, refusal)
            else:
                await send({"type": "websocket.close"})


class _Watch:
    """Sees whether an answer has begun."""

    __slots__ = ("_send", "started")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    def send(self, message: Message) -> Awaitable[None]:
        self.started = True
        return self._send(message)


def _find_refusal(error: Exception, scope: Scope) -> SanctumError:
    refusal = refusal_of(error) or _log_unforeseen(error, scope)
    scope[REASON] = refusal.refused
    return refusal


def _log_unforeseen(error: Exception, scope: Scope) -> SanctumError:
    _log.error("request_failed", method=scope.get("method", "GET"), request_id=scope.get(REQUEST_ID), exc_info=error)
    return SanctumError("The fault was logged under the request's id.", code="internal")
