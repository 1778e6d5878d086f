"""The service without some of its guards: what is built while ``without`` lasts has them not."""

from __future__ import annotations

import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sanctum_messaging.api import application
from sanctum_messaging.bootstrap import tokens
from sanctum_messaging.guards.revocations import KnownRevocations

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from types import ModuleType

    from starlette.types import ASGIApp

    from sanctum_messaging.api.calls import Call, Reply
    from sanctum_messaging.domain.model import Actor

LIMITS, LOG, PROTOCOL, DEADLINE, HEADERS, REVOCATIONS = PARTS = (
    "limits",
    "log",
    "protocol",
    "deadline",
    "headers",
    "revocations",
)
"""``limits`` are taken away by their variables too, and ``protocol`` by whoever makes the connections."""


class _Unhurried(application.Endpoint):
    """Its handler may take as long as it likes."""

    async def _handle(self, call: Call[Any, Any]) -> Reply:
        reply: Reply = await self._handler(call)
        return reply


class _Unasked(KnownRevocations):
    """Lets everybody pass."""

    def check(self, actor: Actor) -> None:
        del actor


def _leave_out(app: ASGIApp, *_: object, **__: object) -> ASGIApp:
    """Take the place of a middleware."""
    return app


_INSTEAD: Mapping[str, Mapping[tuple[ModuleType, str], object]] = MappingProxyType(
    {
        LIMITS: {(application, name): _leave_out for name in ("AddressCheck", "AddressCount")},
        LOG: {(application, "AccessLog"): _leave_out},
        DEADLINE: {(application, "Endpoint"): _Unhurried},
        HEADERS: {
            (application, name): _leave_out
            for name in ("ClientAddress", "RequestId", "SecurityHeaders", "CORS", "BodyLimit")
        },
        REVOCATIONS: {(tokens, "KnownRevocations"): _Unasked},
    }
)


@contextlib.contextmanager
def without(*parts: str) -> Generator[None]:
    """Have the service be built without these parts."""
    places = {place: instead for part in parts for place, instead in _INSTEAD.get(part, {}).items()}
    taken = {place: getattr(*place) for place in places}
    try:
        for (module, name), instead in places.items():
            setattr(module, name, instead)
        yield
    finally:
        for (module, name), own in taken.items():
            setattr(module, name, own)
