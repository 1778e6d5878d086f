"""The headers of answers, as components of the document."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.api.openapi.schemas import Json

HEADERS: Json = {
    "Allow": {
        "description": "The methods of this path.",
        "required": True,
        "schema": {"type": "string"},
        "example": "GET, HEAD, POST",
    },
    "ETag": {
        "description": "The resource's version, for `If-Match`.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"v[1-9][0-9]*"$'},
        "example": '"v1"',
    },
    "Idempotent-Replayed": {
        "description": "The call was a repeat, and this is the answer to the first one.",
        "schema": {"type": "string", "const": "true"},
        "example": "true",
    },
    "Location": {
        "description": "Where it is that was created.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/v1/messages/01981f6f-02b1-7e55-8a10-6c2d1e3f4a5b",
    },
    "RateLimit": {
        "description": "What is left of the limit that will be in the way first: `r` calls, and all of it again in `t`"
        " seconds.",
        "schema": {"type": "string"},
        "example": '"send-device";r=119;t=1',
    },
    "RateLimit-Policy": {
        "description": "The limits that the call drew on: `q` calls in `w` seconds each.",
        "schema": {"type": "string"},
        "example": '"requests-address";q=1000;w=60, "send-device";q=120;w=60, "send-session";q=120;w=60, '
        '"send-user";q=240;w=60',
    },
    "Retry-After": {
        "description": "Seconds to wait before the same may succeed.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "1",
    },
    "WWW-Authenticate": {
        "description": "That a token is needed, and whether the one that was sent is not valid.",
        "required": True,
        "schema": {"type": "string", "pattern": "^Bearer "},
        "example": 'Bearer realm="sanctum", error="invalid_token"',
    },
    "X-Request-Id": {
        "description": "The id of the request, in the log too; its own if it sent a well-formed one.",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        "example": "01981f70-1111-7aaa-8bbb-2c3d4e5f6a7b",
    },
}
"""By name. Besides them every answer bears the headers that tell browsers to take nothing for anything else."""


def header_references(*names: str) -> Json:
    """Refer to headers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in sorted(names)}
