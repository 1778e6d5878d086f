"""From what was raised to a problem document (RFC 9457); an exception's own text never leaves the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.exceptions import HTTPException

from sanctum_messaging.api.calls import VERDICT, Headers, find_header, send_body
from sanctum_messaging.api.limit_headers import limit_headers
from sanctum_messaging.domain.errors import FieldFault, InvalidError, NotFoundError, SanctumError
from sanctum_messaging.presenters import present_problem
from sanctum_messaging.protocol.codes import PROBLEMS
from sanctum_messaging.protocol.decoding import FieldFaultsError, NotJSONError
from sanctum_messaging.server.refusals import HandshakeRefusedError

if TYPE_CHECKING:
    from starlette.types import Scope, Send

PROBLEM_JSON = b"application/problem+json"
REQUEST_ID = "sanctum.request_id"
"""Under this key of the ASGI scope stands the request's id."""

_encoder = msgspec.json.Encoder()
_NO_STORE = (b"cache-control", b"no-store")
_CODES_OF_STATUS = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


class MethodNotAllowedError(SanctumError):
    """The path is known, with other methods."""

    code = "method_not_allowed"

    def __init__(self, allow: str) -> None:
        """Keep the methods that are allowed."""
        super().__init__("See the header Allow for the methods of this path.")
        self.allow = allow


class ClientGoneError(Exception):
    """The client left before it had sent its body; nobody is there to be answered."""


def refusal_of(error: Exception) -> SanctumError | None:
    """Translate what a refusal was raised as; none for what nobody foresaw."""
    match error:
        case SanctumError():
            return error
        case FieldFaultsError():
            faults = tuple(FieldFault(each.field, each.code) for each in error.faults)
            return InvalidError("See errors for the fields at fault.", faults=faults)
        case NotJSONError():
            return SanctumError("The body is not valid JSON in UTF-8.", code="malformed_json")
        case HTTPException():
            return _refusal_of_status(error)
        case _:
            return None


async def send_problem(scope: Scope, send: Send, error: SanctumError) -> None:
    """Answer with a problem."""
    problem = present_problem(error, scope.get(REQUEST_ID, ""))
    await send_body(
        scope,
        send,
        status=problem.status,
        body=_encoder.encode(problem),
        headers=(
            (b"content-type", PROBLEM_JSON),
            _NO_STORE,
            *_headers_of(error, scope),
            *limit_headers(scope.get(VERDICT)),
        ),
    )


def _headers_of(error: SanctumError, scope: Scope) -> Headers:
    if error.code == "unauthenticated":
        return ((b"www-authenticate", _challenge(scope)),)
    if isinstance(error, MethodNotAllowedError):
        return ((b"allow", error.allow.encode()),)
    if isinstance(error, HandshakeRefusedError):
        return ((b"sec-websocket-version", b"13"),)
    if error.retry_after_ms is not None:
        return ((b"retry-after", str(-(-error.retry_after_ms // 1000)).encode()),)
    return ()


def _challenge(scope: Scope) -> bytes:
    """Ask for a token; where one was sent, say that it was not valid (RFC 6750, section 3.1)."""
    sent = find_header(scope, b"authorization") is not None
    return b'Bearer realm="sanctum", error="invalid_token"' if sent else b'Bearer realm="sanctum"'


def _refusal_of_status(error: HTTPException) -> SanctumError:
    code = _CODES_OF_STATUS.get(error.status_code, "bad_request")
    if code == "not_found":
        return NotFoundError()
    if code == "method_not_allowed":
        return MethodNotAllowedError((error.headers or {}).get("Allow", ""))
    return SanctumError(PROBLEMS[code].title, code=code)
