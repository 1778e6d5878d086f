"""The service without some of its guards: what is built while ``without`` lasts has them not."""

from __future__ import annotations

import contextlib
from functools import partial
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sanctum_messaging.api import application
from sanctum_messaging.api.middleware.front import Answer, Front
from sanctum_messaging.bootstrap import tokens
from sanctum_messaging.guards.revocations import KnownRevocations
from sanctum_messaging.server.answer_cycle import AnswerCycle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
    from types import ModuleType

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sanctum_messaging.api.calls import Call, Reply
    from sanctum_messaging.api.middleware.front import Conclude, Prepare
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.ports.clock import Clock

GUARDS = LIMITS, PROTOCOL, DEADLINE, ADDRESS, HEADERS, REVOCATIONS = (
    "limits",
    "protocol",
    "deadline",
    "address",
    "headers",
    "revocations",
)
"""``limits`` are taken away by their variables too, and ``protocol`` by whoever makes the connections."""
LOG = "log"
"""Guards nothing: it is what the operator sees."""
PARTS = (*GUARDS, LOG)


class _Unhurried(application.Endpoint):
    """Its handler may take as long as it likes."""

    async def _handle(self, call: Call[Any, Any]) -> Reply:
        reply: Reply = await self._handler(call)
        return reply


class _Unmarked(Front):
    """Prepares and concludes, and leaves the answer as it is."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = self._monotonic()
        for prepare in self._prepare:
            prepare(scope)
        answer = _Seen(send, "")
        try:
            await self._app(scope, receive, answer.send)
        finally:
            answer.seconds = self._monotonic() - begun
            for conclude in self._conclude:
                conclude(scope, answer)


class _Seen(Answer):
    """Adds nothing."""

    def send(self, message: Message) -> Awaitable[None]:
        self.status = message.get("status", self.status)
        self.bytes += len(message.get("body", b""))
        return self._send(message)


class Unbounded(HttpToolsProtocol):
    """uvicorn's own protocol, which bounds nothing; it writes answers as the service's does."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.cycle.__class__ = AnswerCycle


class _Unasked(KnownRevocations):
    """Lets everybody pass."""

    def check(self, actor: Actor) -> None:
        del actor


def _leave_out(app: ASGIApp, *_: object, **__: object) -> ASGIApp:
    """Take the place of a middleware."""
    return app


def _lacking(*names: str) -> Callable[..., object]:
    """Take the place of what would have these methods."""
    return lambda *_: SimpleNamespace(**dict.fromkeys(names))


def _put_front(
    app: ASGIApp,
    clock: Clock,
    *,
    prepare: Iterable[Prepare | None],
    conclude: Iterable[Conclude | None],
    marked: bool,
) -> ASGIApp:
    """Wrap an application in what is left of its front; without anything left there is none."""
    wanted = {"prepare": [each for each in prepare if each], "conclude": [each for each in conclude if each]}
    if marked:
        return Front(app, clock, **wanted)  # type: ignore[arg-type]  # sorted by their names
    return _Unmarked(app, clock, **wanted) if any(wanted.values()) else app  # type: ignore[arg-type]  # as above


_INSTEAD: Mapping[str, Mapping[tuple[ModuleType, str], object]] = MappingProxyType(
    {
        LIMITS: {(application, "AddressCheck"): _leave_out, (application, "AddressCount"): _lacking("count")},
        LOG: {(application, "AccessLog"): _lacking("tell")},
        DEADLINE: {(application, "Endpoint"): _Unhurried},
        ADDRESS: {(application, "ClientAddress"): _lacking("find")},
        HEADERS: {
            (application, "RequestIds"): _lacking("give"),
            **{(application, name): _leave_out for name in ("CORS", "BodyLimit")},
        },
        REVOCATIONS: {(tokens, "KnownRevocations"): _Unasked},
    }
)


@contextlib.contextmanager
def without(*parts: str) -> Generator[None]:
    """Have the service be built without these parts."""
    places: dict[tuple[ModuleType, str], object] = {
        (application, "Front"): partial(_put_front, marked=HEADERS not in parts)
    }
    for part in parts:
        places.update(_INSTEAD.get(part, {}))
    taken = {place: getattr(*place) for place in places}
    try:
        for (module, name), instead in places.items():
            setattr(module, name, instead)
        yield
    finally:
        for (module, name), own in taken.items():
            setattr(module, name, own)
