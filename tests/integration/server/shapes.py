"""Requests that two readers could understand differently, each followed by one that must never be answered."""

from __future__ import annotations

from tests.integration.server.wire import HOST

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: sanctum.test\r\n\r\n"
_POST = b"POST /v1/messages HTTP/1.1\r\n" + HOST
_GET = b"GET /healthz HTTP/1.1\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_EMPTY = b"0\r\n\r\n"


def _post(fields: bytes, body: bytes = _EMPTY) -> bytes:
    return _POST + fields + b"\r\n" + body


def _get(fields: bytes) -> bytes:
    return _GET + HOST + fields + b"\r\n"


AMBIGUOUS = {
    "content_length_and_transfer_encoding": _post(b"Content-Length: 5\r\n" + _CHUNKED),
    "transfer_encoding_and_content_length": _post(_CHUNKED + b"Content-Length: 5\r\n"),
    "double_content_length": _post(b"Content-Length: 5\r\nContent-Length: 0\r\n"),
    "double_equal_content_length": _post(b"Content-Length: 5\r\nContent-Length: 5\r\n"),
    "content_length_list": _post(b"Content-Length: 5, 5\r\n"),
    "content_length_plus": _post(b"Content-Length: +5\r\n"),
    "content_length_minus": _post(b"Content-Length: -5\r\n"),
    "content_length_hexadecimal": _post(b"Content-Length: 0x5\r\n"),
    "content_length_underscore": _post(b"Content-Length: 1_0\r\n"),
    "content_length_inner_space": _post(b"Content-Length: 5 5\r\n"),
    "content_length_trailing_space": _post(b"Content-Length: 5 \r\n"),
    "content_length_empty": _post(b"Content-Length:\r\n"),
    "content_length_huge": _post(b"Content-Length: 99999999999999999999\r\n"),
    "transfer_encoding_xchunked": _post(b"Transfer-Encoding: xchunked\r\n"),
    "transfer_encoding_identity": _post(b"Transfer-Encoding: identity\r\n"),
    "transfer_encoding_gzip_chunked": _post(b"Transfer-Encoding: gzip, chunked\r\n"),
    "transfer_encoding_chunked_identity": _post(b"Transfer-Encoding: chunked, identity\r\n"),
    "transfer_encoding_parameter": _post(b"Transfer-Encoding: chunked;q=1\r\n"),
    "transfer_encoding_trailing_space": _post(b"Transfer-Encoding: chunked \r\n"),
    "transfer_encoding_vertical_tab": _post(b"Transfer-Encoding: \x0bchunked\r\n"),
    "transfer_encoding_twice": _post(_CHUNKED + _CHUNKED),
    "transfer_encoding_in_http_1_0": _post(_CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "space_before_the_colon": _post(b"Content-Length : 5\r\n"),
    "folded_line": _post(b"X-A: b\r\n Content-Length: 5\r\n"),
    "folded_first_line": b"GET /healthz HTTP/1.1\r\n Host: sanctum.test\r\n\r\n",
    "bare_lf_after_the_request_line": _get(b"").replace(b"HTTP/1.1\r\n", b"HTTP/1.1\n"),
    "bare_lf_between_fields": _get(b"X-A: b\nX-B: c\r\n"),
    "bare_lf_at_the_end": _get(b"").removesuffix(b"\r\n") + b"\n",
    "bare_cr_in_a_value": _get(b"X-A: b\rContent-Length: 5\r\n"),
    "bare_cr_between_lines": _get(b"").replace(b"\r\n", b"\r"),
    "nul_in_a_value": _get(b"X-A: b\x00c\r\n"),
    "control_in_a_value": _get(b"X-A: b\x01c\r\n"),
    "control_in_a_name": _get(b"X\x01A: b\r\n"),
    "empty_name": _get(b": b\r\n"),
    "line_without_a_colon": _get(b"X-A\r\n"),
    "http_0_9": b"GET /healthz\r\n\r\n",
    "http_2_0": _get(b"").replace(b"HTTP/1.1", b"HTTP/2.0"),
    "http_1_2": _get(b"").replace(b"HTTP/1.1", b"HTTP/1.2"),
    "absolute_target": _get(b"").replace(b" /healthz", b" http://sanctum.test/healthz"),
    "asterisk_target": _get(b"").replace(b"GET /healthz", b"OPTIONS *"),
    "authority_target": _get(b"").replace(b"GET /healthz", b"CONNECT sanctum.test:80"),
    "fragment_in_the_target": _get(b"").replace(b"/healthz", b"/healthz#a"),
    "space_in_the_target": _get(b"").replace(b"/healthz", b"/health z"),
    "two_hosts": _get(HOST),
    "two_different_hosts": _get(b"Host: other.test\r\n"),
    "no_host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "unknown_method": _get(b"").replace(b"GET", b"FETCH"),
    "chunk_size_with_sign": _post(_CHUNKED, b"+1\r\nx\r\n" + _EMPTY),
    "chunk_size_with_prefix": _post(_CHUNKED, b"0x1\r\nx\r\n" + _EMPTY),
    "chunk_size_too_large": _post(_CHUNKED, b"fffffffffffffffff\r\nx\r\n" + _EMPTY),
    "chunk_longer_than_its_size": _post(_CHUNKED, b"1\r\nxx\r\n" + _EMPTY),
    "chunks_parted_by_bare_lf": _post(_CHUNKED, b"1\nx\n0\n\n"),
    "chunk_extension_with_bare_lf": _post(_CHUNKED, b"1;a\nx\r\n" + _EMPTY),
    "upgrade_with_a_body": _get(b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n"),
}
"""By what is wrong with them."""

HOSTS = {
    "path": b"a/b?c=",
    "user": b"user@sanctum.test",
    "space": b"sanctum .test",
    "empty": b"",
    "query": b"sanctum.test?x",
    "fragment": b"sanctum.test#x",
    "backslash": b"sanctum.test\\x",
    "list": b"sanctum.test, other.test",
    "port": b"sanctum.test:80x",
    "no_port": b"sanctum.test:",
    "not_ascii": b"s\xc3\xa4nctum.test",
}
"""What is no host, and could be taken for a part of an address."""
