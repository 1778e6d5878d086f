"""What the rest of the service takes for the client's address and scheme."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.api.middleware.client_address import ClientAddress
from sanctum_messaging.config.parsers import parse_networks
from sanctum_messaging.guards.addresses import NOBODY, Networks

if TYPE_CHECKING:
    from starlette.types import Scope

PROXIES = Networks(parse_networks("10.0.0.0/8"))
CLIENT = "203.0.113.7"


def scope_behind(peer: str | None, *headers: tuple[str, str], trusted: Networks = PROXIES, kind: str = "http") -> Scope:
    """Return the scope as what comes after sees it."""
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers]
    scheme = "ws" if kind == "websocket" else "http"
    client = None if peer is None else (peer, 4711)
    scope = {"type": kind, "scheme": scheme, "client": client, "headers": encoded}
    ClientAddress(trusted).find(scope)
    return scope


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_s_d11_a_trusted_proxy_tells_who_called_it(kind: str) -> None:
    scope = scope_behind("10.0.0.1", ("X-Forwarded-For", CLIENT), kind=kind)
    assert scope["client"] == (CLIENT, 4711)


def test_s_d11_several_headers_are_one_list() -> None:
    headers = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("x-forwarded-for", f"{CLIENT}, 10.0.0.2"),
        ("X-FORWARDED-FOR", "10.0.0.3"),
    ]
    assert scope_behind("10.0.0.1", *headers)["client"][0] == CLIENT


@pytest.mark.parametrize(
    "name", ["Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X_Forwarded_For"]
)
@pytest.mark.parametrize("value", [CLIENT, f"for={CLIENT}"])
def test_s_d11_other_headers_are_ignored(name: str, value: str) -> None:
    assert scope_behind("10.0.0.1", (name, value))["client"][0] == "10.0.0.1"


@pytest.mark.parametrize("trusted", [PROXIES, NOBODY])
def test_s_d11_strangers_are_not_believed(trusted: Networks) -> None:
    headers = [("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "https")]
    scope = scope_behind("198.51.100.1", *headers, trusted=trusted)
    assert (scope["client"][0], scope["scheme"]) == ("198.51.100.1", "http")


def test_s_d11_a_mapped_address_is_its_ipv4_address() -> None:
    assert scope_behind("::ffff:198.51.100.1")["client"] == ("198.51.100.1", 4711)


@pytest.mark.parametrize(
    ("kind", "told", "scheme"),
    [
        ("http", "https", "https"),
        ("http", " HTTPS ", "https"),
        ("http", "http, https", "https"),
        ("http", "https, http", "http"),
        ("http", "gopher", "http"),
        ("http", "", "http"),
        ("websocket", "https", "wss"),
        ("websocket", "http", "ws"),
    ],
)
def test_a_trusted_proxy_tells_the_scheme(kind: str, told: str, scheme: str) -> None:
    scope = scope_behind("10.0.0.1", ("X-Forwarded-Proto", told), kind=kind)
    assert scope["scheme"] == scheme


def test_a_client_without_an_address_has_none() -> None:
    assert scope_behind(None, ("X-Forwarded-For", CLIENT))["client"] is None
