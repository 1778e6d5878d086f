"""Heads that two readers could understand differently, and those that make no sense here.

llhttp refuses what is no HTTP: a bare CR or LF, folded lines, controls, a malformed or doubled Content-Length, one
beside a Transfer-Encoding. What it lets through and this service does not take stands here.
"""

from __future__ import annotations

import re
from functools import lru_cache

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Request
from websockets.server import ServerProtocol

Fields = list[tuple[bytes, bytes]]
"""The fields of a head, with names in lower case."""

_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_VERSIONS = frozenset({"1.1", "1.0"})
_ONCE = (b"host", b"content-length", b"transfer-encoding")
_HANDSHAKES = ServerProtocol()
"""Only asked whether a request is one. One for each would stay in memory until the collector comes."""


def is_sound(version: str, address: bytes, fields: Fields) -> bool:
    """Tell whether a head names one thing, at one host, with one body whose end is beyond doubt."""
    if version not in _VERSIONS or not address.startswith(b"/") or b"#" in address:
        return False
    values = dict(fields)
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


def is_handshake(method: str, version: str, address: bytes, fields: Fields) -> bool:
    """Tell whether a head would pass as a WebSocket handshake."""
    headers = Headers()
    for name, value in fields:
        headers[name.decode("ascii")] = value.decode("latin-1")
    request = Request(address.decode("ascii"), headers, method=method, protocol=f"HTTP/{version}")
    try:
        _HANDSHAKES.process_request(request)
    except InvalidHandshake:
        return False
    return True


@lru_cache(maxsize=64)
def _is_host(value: bytes) -> bool:
    """Tell whether a host is one; nearly all requests name the same."""
    return _HOST.fullmatch(value) is not None


def _are_single(fields: Fields) -> bool:
    names = [name for name, _ in fields]
    return all(names.count(name) <= 1 for name in _ONCE)
