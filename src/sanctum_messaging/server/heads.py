"""Heads that two readers could understand differently, and those that make no sense here.

llhttp refuses what is no HTTP: a bare CR or LF, folded lines, controls, a malformed or doubled Content-Length, one
beside a Transfer-Encoding. What it lets through and this service does not take stands here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from sanctum_messaging.server.limits import MAX_FIELD_BYTES, MAX_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

Fields = list[tuple[bytes, bytes]]
"""The fields of a head, with names in lower case."""

_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_VERSIONS = frozenset({"1.1", "1.0"})
_ONCE = (b"host", b"content-length", b"transfer-encoding")
_TOKEN = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
"""16 bytes in base64."""
_VERSION = b"13"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a client says that asks for a WebSocket, besides all that any request says."""

    key: bytes
    subprotocols: list[str]


def is_small(fields: Fields) -> bool:
    """Tell whether a head has no more fields, and none longer, than anybody needs."""
    if len(fields) > MAX_FIELDS:
        return False
    # Nearly every head is far from the bound with all of its fields together.
    return len(b"".join(chain.from_iterable(fields))) <= MAX_FIELD_BYTES or all(
        len(name) + len(value) <= MAX_FIELD_BYTES for name, value in fields
    )


def is_sound(version: str, address: bytes, fields: Fields, values: Mapping[bytes, bytes]) -> bool:
    """Tell whether a head names one thing, at one host, with one body whose end is beyond doubt.

    ``values`` are those of the fields by name, of several of one name the last.
    """
    if version not in _VERSIONS or not address.startswith(b"/") or b"#" in address:
        return False
    if len(values) < len(fields) and not _are_single(fields):
        return False
    host = values.get(b"host")
    if version == "1.1" if host is None else not _is_host(host):
        return False
    length, encoding = values.get(b"content-length"), values.get(b"transfer-encoding")
    if encoding is None:
        return length is None or length.isdigit()
    return length is None and version == "1.1" and encoding.lower() == b"chunked"


def wants_socket(fields: Fields) -> bool:
    """Tell whether the client wants to go on with WebSocket; it may ask for other protocols, which are ignored."""
    return any(name == b"upgrade" and value.lower() == b"websocket" for name, value in fields)


def has_body(fields: Fields) -> bool:
    """Tell whether a body follows a head."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0") != b"")
        for name, value in fields
    )


def find_offer(method: str, version: str, fields: Fields) -> Offer | None:
    """Read a head that asks for a WebSocket; none if it is not a handshake of RFC 6455, section 4.2.1."""
    connection, subprotocols = _find_tokens(fields, b"connection"), _find_tokens(fields, b"sec-websocket-protocol")
    key, spoken = _find_values(fields, b"sec-websocket-key"), _find_values(fields, b"sec-websocket-version")
    if (
        (method, version) != ("GET", "1.1")
        or connection is None
        or "upgrade" not in map(str.lower, connection)
        or [each.lower() for each in _find_values(fields, b"upgrade")] != [b"websocket"]
        or len(key) != 1
        or _KEY.fullmatch(key[0]) is None
        or spoken != [_VERSION]
        or len(_find_values(fields, b"origin")) > 1
        or subprotocols is None
    ):
        return None
    return Offer(key[0], subprotocols)


@lru_cache(maxsize=64)
def _is_host(value: bytes) -> bool:
    """Tell whether a host is one; nearly all requests name the same."""
    return _HOST.fullmatch(value) is not None


def _are_single(fields: Fields) -> bool:
    names = [name for name, _ in fields]
    return all(names.count(name) <= 1 for name in _ONCE)


def _find_values(fields: Fields, wanted: bytes) -> list[bytes]:
    return [value for name, value in fields if name == wanted]


def _find_tokens(fields: Fields, wanted: bytes) -> list[str] | None:
    """List the tokens of all fields of a name; none if one of these is no list of tokens (RFC 9110, section 5.6.1)."""
    found = []
    for value in _find_values(fields, wanted):
        tokens = [each for each in (part.strip(b" \t") for part in value.split(b",")) if each]
        if not tokens or not all(map(_TOKEN.fullmatch, tokens)):
            return None
        found += [each.decode("ascii") for each in tokens]
    return found
