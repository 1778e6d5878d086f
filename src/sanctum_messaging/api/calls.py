"""A call as a route's handler gets it, and the reply that the handler gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from sanctum_messaging.api.limit_headers import limit_headers

if TYPE_CHECKING:
    from starlette.types import Scope, Send

    from sanctum_messaging.api.services import Services
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.ports import Ports

B = TypeVar("B")
Q = TypeVar("Q")
Headers = tuple[tuple[bytes, bytes], ...]

JSON = b"application/json"
ACTOR = "sanctum.actor"
"""Under this key of the ASGI scope stands who is calling, once that is proven; he may be refused all the same."""
ROUTE = "sanctum.route"
"""Under this key stands what is asked for, by the name of its route: few different texts, whatever clients ask for."""
VERDICT = "sanctum.verdict"
"""Under this key stands what is left of the caller's limits, once they were asked; until then nothing was counted."""
REASON = "sanctum.reason"
"""Under this key stands why a token was refused, once one was, in words of this program, or by which limit."""
REFUSED_HANDSHAKE = "sanctum.refused"
"""Under this key stands how a handshake was refused: by a status, or by a close code."""
ACCEPTED = "sanctum.accepted"
"""Under this key stands that a socket was accepted, and can't be refused any more."""
_HEADERS = "sanctum.headers"
"""Under this key of the ASGI scope stand the headers by name, once somebody has asked for one."""
_encoder = msgspec.json.Encoder()


@dataclass(slots=True)
class Call(Generic[B, Q]):
    """An authenticated request whose form was checked: path parameters, body and query are what the route asks for."""

    services: Services
    scope: Scope
    actor: Actor
    params: dict[str, str]
    body: B
    query: Q

    @property
    def ports(self) -> Ports:
        """What the actions reach the world through."""
        return self.services.ports


@dataclass(slots=True)
class Reply:
    """A status, a resource and headers; without a resource there is no body."""

    status: int = 200
    resource: msgspec.Struct | None = None
    headers: Headers = ()


def find_address(scope: Scope) -> str | None:
    """Find the client's address, as far as the server knows it."""
    client = scope.get("client")
    return client[0] if client else None


def find_header(scope: Scope, name: bytes) -> str | None:
    """Find a header's value, decoded as UTF-8 where it is; several of one name are joined as HTTP does.

    White space around it is no part of it (RFC 9110, section 5.5), and the parser leaves what stands behind.
    """
    try:
        headers = scope[_HEADERS]
    except KeyError:
        headers = scope[_HEADERS] = _by_name(scope["headers"])
    value: bytes | None = headers.get(name)
    if value is None:
        return None
    try:
        return str(value, "utf-8").strip(" \t")
    except UnicodeDecodeError:
        return str(value, "latin-1").strip(" \t")


def _by_name(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    found = dict(headers)
    if len(found) < len(headers):
        for name in found:
            found[name] = b", ".join(value for each, value in headers if each == name)
    return found


async def send_reply(scope: Scope, send: Send, reply: Reply) -> None:
    """Send a reply as JSON with the caller's limits; to HEAD without the body."""
    headers = (*reply.headers, *limit_headers(scope.get(VERDICT)))
    if reply.resource is None:
        await send({"type": "http.response.start", "status": reply.status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": b""})
        return
    body = _encoder.encode(reply.resource)
    await send_body(scope, send, status=reply.status, body=body, headers=((b"content-type", JSON), *headers))


async def send_body(scope: Scope, send: Send, *, status: int, body: bytes, headers: Headers) -> None:
    """Send bytes with their length; to HEAD only the length."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": b"" if scope.get("method") == "HEAD" else body})
