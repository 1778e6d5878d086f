"""Pages that open a socket from a user's browser: only those that are listed may, and only as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.server.wire import wire_to
from tests.raw_socket import RawSocket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.server.wire import Wire

LISTED = "https://app.example.com,https://admin.example.com:8443"

REFUSED = {
    "evil": "https://evil.example",
    "null": "null",
    "empty": "",
    "any": "*",
    "file": "file://",
    "extension": "chrome-extension://abcdef",
    "prefix": "https://app.example.com.evil.example",
    "suffix": "https://evilapp.example.com",
    "subdomain": "https://x.app.example.com",
    "parent": "https://example.com",
    "user": "https://app.example.com@evil.example",
    "path": "https://app.example.com/",
    "query": "https://evil.example?https://app.example.com",
    "fragment": "https://evil.example#https://app.example.com",
    "two": "https://app.example.com https://evil.example",
    "two_with_a_comma": "https://app.example.com, https://evil.example",
    "the_whole_list": LISTED,
    "port": "https://app.example.com:8443",
    "port_and_case": "https://APP.example.com:8443",
    "prefix_and_case": "https://APP.example.com.EVIL.example",
    "no_port": "https://admin.example.com",
    "scheme": "http://app.example.com",
    "no_scheme": "app.example.com",
    "dot_at_the_end": "https://app.example.com.",
    "wide_letters": "https://app.ex\u00e4mple.com",
    "escaped": "https://app%2eexample.com",
    "own_with_another_scheme": "https://sanctum.test",
    "own_with_a_port": "http://sanctum.test:80",
}


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with wire_to(tmp_path_factory.mktemp("data"), environ={"CORS_ALLOWED_ORIGINS": LISTED}) as wire:
        yield wire


@pytest.mark.parametrize("kind", REFUSED)
def test_s_d12_a_page_that_is_not_listed_is_refused_before_the_upgrade(wire: Wire, kind: str) -> None:
    with RawSocket(wire.port, f"Origin: {REFUSED[kind]}") as raw:
        assert raw.answer.startswith(b"HTTP/1.1 403 "), raw.answer


@pytest.mark.parametrize(
    "proof", ["Authorization: Bearer {token}", "Sec-WebSocket-Protocol: sanctum.v1, bearer.{token}"]
)
def test_s_d12_also_with_a_token_and_with_cookies(wire: Wire, proof: str) -> None:
    fields = (proof.format(token=wire.token), "Cookie: session=1", "Origin: https://evil.example")
    with RawSocket(wire.port, *fields) as raw:
        assert raw.answer.startswith(b"HTTP/1.1 403 ")


def test_s_d12_one_origin_beside_a_listed_one_is_not_passed_over(wire: Wire) -> None:
    for origins in (("https://app.example.com", "https://evil.example"), ("https://evil.example", "null")):
        for first, second in (origins, origins[::-1]):
            with RawSocket(wire.port, f"Origin: {first}", f"Origin: {second}") as raw:
                assert not raw.answer.startswith(b"HTTP/1.1 101 "), (first, second)


@pytest.mark.parametrize(
    "origin", ["https://APP.Example.com", "HTTPS://app.example.com", "https://app.example.com:443"]
)
def test_s_d12_case_and_the_port_that_the_scheme_implies_make_no_other_origin(wire: Wire, origin: str) -> None:
    """RFC 6454, section 4: it is the same page, however it writes its origin; no browser writes another's so."""
    with RawSocket(wire.port, f"Origin: {origin}") as raw:
        raw.hello(wire.token)


@pytest.mark.parametrize("origin", [*LISTED.split(","), "http://sanctum.test"])
def test_s_d12_a_listed_page_and_the_services_own_are_let_in(wire: Wire, origin: str) -> None:
    with RawSocket(wire.port, f"Origin: {origin}") as raw:
        raw.hello(wire.token)


def test_s_d12_who_is_no_page_is_let_in(wire: Wire) -> None:
    with RawSocket(wire.port) as raw:
        raw.hello(wire.token)
