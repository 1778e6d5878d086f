"""How a socket is opened: what the handshake may hold, how its caller is proved, how it may be refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.protocol.codes import ANY_REQUEST, PROBLEMS
from sanctum_messaging.protocol.frames import SUBPROTOCOL

if TYPE_CHECKING:
    from sanctum_messaging.api.openapi.schemas import Json

SECURITY_SCHEMES: Json = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": (
            "A token of the identity provider in `Authorization`. If it is refused, so is the handshake, by a problem."
        ),
    },
    "subprotocol": {
        "type": "httpApiKey",
        "name": "Sec-WebSocket-Protocol",
        "in": "header",
        "description": (
            f"For browsers, which can't set headers: `{SUBPROTOCOL}, bearer.<token>`. If the token is refused, the "
            "socket is accepted and closed, because a browser can't read a refused handshake."
        ),
    },
}
"""Without either, the token is sent in ``hello``, which no kind of scheme in AsyncAPI describes."""

HANDSHAKE_HEADERS: Json = {
    "type": "object",
    "properties": {
        "Authorization": {"type": "string", "pattern": "^[Bb][Ee][Aa][Rr][Ee][Rr] "},
        "Sec-WebSocket-Protocol": {
            "type": "string",
            "description": f"`{SUBPROTOCOL}`, and `bearer.<token>` if the token comes here. None means it too.",
        },
        "Act-As": {"type": "string", "description": "With a service token: the user to act for."},
        "Origin": {"type": "string", "description": "Where it is sent it has to be the service's own, or allowed."},
    },
}

_REFUSALS = {*ANY_REQUEST, "unauthenticated", "act_as_not_allowed", "not_found", "invalid", "rate_limited"}
REFUSALS = tuple(code for code in PROBLEMS if code in _REFUSALS and code != "body_too_large")
"""The codes of the problems that a handshake may be refused with, as the answer to its HTTP request."""
