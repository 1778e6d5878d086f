"""The routes of the chat page: its files, a token for whoever asks on this machine, and the key that proves it.

They stand inside the API's middleware, which adds the headers that every answer has, bounds bodies, and turns what is
raised here into problems.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from sanctum_messaging.domain.errors import ForbiddenError, SanctumError
from sanctum_messaging.domain.model import Millis
from sanctum_messaging.presenters import present_time
from sanctum_messaging.protocol.decoding import StrictDecoder
from sanctum_messaging.protocol.requests import Request as RequestBody
from sanctum_messaging.protocol.resources import Resource
from sanctum_messaging.protocol.scalars import UserIdText

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

TOKEN_SECONDS = 3600
"""The page takes a fresh token while the old one still holds, so that this is seldom noticed."""

_DIRECTIVES = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    # The browser itself refuses innerHTML and the like: the page has no way to take text for markup.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
CONTENT_SECURITY_POLICY = "; ".join(_DIRECTIVES)

_FILES = Path(__file__).parent
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)


class TokenIssuer(Protocol):
    """What signs the page's tokens."""

    def issue(self, user: str, *, device: str | None = None, ttl: int = TOKEN_SECONDS) -> str:
        """Sign a token for a user, valid for ``ttl`` seconds."""
        ...

    def jwks(self) -> dict[str, object]:
        """Publish the public key as a JWK Set."""
        ...


class NewToken(RequestBody, frozen=True):
    """Who the page is to be."""

    user_id: UserIdText
    device_id: UserIdText | None = None


class TokenResult(Resource, frozen=True):
    """A token, and when to have the next one."""

    token: str
    expires_at: str


class _Expiry(msgspec.Struct):
    exp: int


def demo_routes(issuer: TokenIssuer, *, token_seconds: int = TOKEN_SECONDS) -> list[Route]:
    """Make the routes. The files are read now, once."""
    key_set = msgspec.json.encode(issuer.jwks())
    decoder = StrictDecoder(NewToken)

    async def post_token(request: Request) -> Response:
        _check_local(request)
        wanted = decoder.decode(await _read_json(request))
        token = issuer.issue(wanted.user_id, device=wanted.device_id, ttl=token_seconds)
        return _json_response(msgspec.json.encode(TokenResult(token=token, expires_at=_expiry_of(token))))

    async def get_key_set(_request: Request) -> Response:
        return _json_response(key_set)

    return [
        Route("/dev/token", post_token, methods=["POST"]),
        Route("/.well-known/jwks.json", get_key_set),
        *_file_routes(),
    ]


def _file_routes() -> Iterator[Route]:
    """Make a route for each file of the page; what is not one of them is not there."""
    page = (_FILES / "index.html").read_bytes()
    yield _file_route("/", page, "text/html; charset=utf-8", {"Content-Security-Policy": CONTENT_SECURITY_POLICY})
    for path in sorted(_FILES.iterdir()):
        if path.suffix in _MEDIA_TYPES:
            yield _file_route(f"/demo/{path.name}", path.read_bytes(), _MEDIA_TYPES[path.suffix], {})


def _file_route(path: str, content: bytes, media_type: str, headers: dict[str, str]) -> Route:
    async def get_file(_request: Request) -> Response:
        return Response(content, media_type=media_type, headers=headers)

    return Route(path, get_file)


def _check_local(request: Request) -> None:
    """Refuse whoever is not a page of this service or a program on this machine.

    A foreign page may send requests to this machine, and a foreign name may resolve to it; browsers tell either.
    """
    hosts, origins = request.headers.getlist("host"), request.headers.getlist("origin")
    if len(hosts) != 1 or not _LOCAL_HOST.fullmatch(hosts[0]):
        raise ForbiddenError("Tokens for development are given out under localhost, 127.0.0.1 and [::1] only.")
    if any(not _is_origin_of(origin, hosts[0]) for origin in origins):
        detail = "Tokens for development are given to the service's own page only; others use `sanctum token`."
        raise ForbiddenError(detail, code="origin_not_allowed")


def _is_origin_of(origin: str, host: str) -> bool:
    scheme, separator, rest = origin.partition("://")
    return bool(separator) and scheme in {"http", "https"} and rest.lower() == host.lower()


async def _read_json(request: Request) -> bytes:
    """Read a body, which must say that it is JSON: a page elsewhere can't say so unasked."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise SanctumError("Send application/json in UTF-8.", code="unsupported_media_type")
    return await request.body()


def _json_response(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _expiry_of(token: str) -> str:
    payload = token.split(".")[1]
    decoded = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    return present_time(Millis(msgspec.json.decode(decoded, type=_Expiry).exp * 1000))
