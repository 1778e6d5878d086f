"""Reading a request: its credentials, its body and its query, each checked for form before any action runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec

from sanctum_messaging.api.calls import find_header
from sanctum_messaging.api.problems import ClientGoneError
from sanctum_messaging.domain.errors import SanctumError, UnauthenticatedError
from sanctum_messaging.protocol.decoding import FieldFaultsError
from sanctum_messaging.protocol.faults import find_faults
from sanctum_messaging.protocol.requests import Request
from sanctum_messaging.protocol.resources import FieldProblem

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

QueryT = TypeVar("QueryT", bound=msgspec.Struct)

JSON_TYPE = "application/json"
MERGE_PATCH_TYPE = "application/merge-patch+json"
MAX_QUERY_FIELDS = 20
"""More than any call knows; parsing stops there."""

_AS_IT_IS = "identity"
"""The one ``Content-Encoding`` that is taken, said or not: what is inflated has no bound that was told beforehand."""
_INTEGER = re.compile(r"-?[0-9]{1,18}")


class NoQuery(Request, frozen=True):
    """The query of a call that takes none."""


def read_token(scope: Scope) -> str:
    """Read the access token from the header, and from nowhere else: an address ends up in logs.

    Raises:
        UnauthenticatedError: there is none. What it holds is for the verifier to judge.
    """
    scheme, _, token = (find_header(scope, b"authorization") or "").partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthenticatedError(refused="no token")
    return token.strip(" ")


async def read_body(scope: Scope, receive: Receive, media_types: tuple[str, ...]) -> bytes:
    """Read a body, if it is of a type that is taken here.

    Raises:
        SanctumError: ``unsupported_media_type``, before anything is read; also for what is compressed.
        ClientGoneError: the client left.
    """
    _check_media_type(find_header(scope, b"content-type") or "", media_types)
    if (find_header(scope, b"content-encoding") or _AS_IT_IS).lower() != _AS_IT_IS:
        raise SanctumError("Send the body without a Content-Encoding.", code="unsupported_media_type")
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        return message.get("body", b"")  # type: ignore[no-any-return]  # ASGI messages are untyped
    chunks = []
    while message["type"] == "http.request":
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)
        message = await receive()
    raise ClientGoneError


class QueryReader(Generic[QueryT]):
    """Reads a query as one type; like bodies, it may hold nothing unknown, and nothing twice."""

    def __init__(self, wanted: type[QueryT]) -> None:
        """Prepare for a type, once; all its fields have defaults."""
        self._wanted = wanted
        self._default = wanted()
        self._integers = frozenset(
            field.encode_name
            for field in msgspec.inspect.type_info(wanted).fields  # type: ignore[attr-defined]  # it is a StructType
            if isinstance(field.type, msgspec.inspect.IntType)
        )

    def read(self, query: bytes) -> QueryT:
        """Read a query.

        Raises:
            FieldFaultsError: parameters are unknown, doubled or malformed.
        """
        if not query:
            return self._default
        given = self._convert(_parse(query))
        faults = find_faults(self._wanted, given)
        if faults:
            raise FieldFaultsError(faults)
        return msgspec.convert(given, self._wanted)

    def _convert(self, texts: dict[str, str]) -> dict[str, object]:
        return {
            name: int(text) if name in self._integers and _INTEGER.fullmatch(text) else text
            for name, text in texts.items()
        }


def _check_media_type(header: str, media_types: tuple[str, ...]) -> None:
    if header == JSON_TYPE:
        return
    media_type, _, parameters = header.lower().partition(";")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    if media_type.strip() not in media_types or charset not in {"", "utf-8"}:
        raise SanctumError(f"Send {' or '.join(media_types)} in UTF-8.", code="unsupported_media_type")


def _parse(query: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
        )
    except ValueError:
        raise FieldFaultsError.of_field("", "malformed") from None
    given = dict(pairs)
    if len(given) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = sorted({name for name in names if names.count(name) > 1})
        raise FieldFaultsError([FieldProblem(field=name, code="duplicate") for name in doubled])
    return given
