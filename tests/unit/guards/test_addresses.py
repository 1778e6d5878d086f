"""Whose address a request counts for, whatever it says about itself."""

from __future__ import annotations

import pytest

from sanctum_messaging.config.parsers import parse_networks
from sanctum_messaging.guards import addresses
from sanctum_messaging.guards.addresses import NOBODY, Networks, find_client, limit_key, normal_address

PROXIES = Networks(parse_networks("10.0.0.0/8, fd00::/8, ::1"))


@pytest.mark.parametrize("forwarded_for", [None, "", "1.1.1.1", "10.0.0.1", "1.1.1.1, 2.2.2.2"])
def test_s_d11_nobody_is_believed_unless_he_is_named(forwarded_for: str | None) -> None:
    assert find_client("203.0.113.7", forwarded_for, PROXIES) == "203.0.113.7"
    assert find_client("10.0.0.9", forwarded_for, NOBODY) == "10.0.0.9"


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7", "203.0.113.7"),
        ("6.6.6.6,203.0.113.7,10.1.1.1, fd00::2", "203.0.113.7"),
        ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
        ("  203.0.113.7\t", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::FFFF:CB00:7107", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:DB8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:0db8:0:0::1%eth0", "2001:db8::1"),
        (f"{'6.6.6.6, ' * 2_000}203.0.113.7", "203.0.113.7"),
    ],
)
def test_s_d11_the_client_is_the_rightmost_hop_that_is_no_trusted_proxy(forwarded_for: str, client: str) -> None:
    assert find_client("10.0.0.1", forwarded_for, PROXIES) == client
    assert find_client("::ffff:10.0.0.1", forwarded_for, PROXIES) == client


@pytest.mark.parametrize(
    "garbage",
    ["", " ", "unknown", "localhost", "1.2.3", "01.2.3.4", "1.2.3.4.5", "[", "1.2.3.4/8", "9" * 70],
)
def test_s_d11_what_is_no_address_leaves_the_last_that_can_be_believed(garbage: str) -> None:
    assert find_client("10.0.0.1", f"6.6.6.6, {garbage}", PROXIES) == "10.0.0.1"
    assert find_client("10.0.0.1", f"6.6.6.6, {garbage}, 10.1.1.1", PROXIES) == "10.1.1.1"


def test_s_d11_what_is_remembered_of_a_forwarded_address_is_small() -> None:
    find_client("10.0.0.1", "198.51.100.200", PROXIES)
    remembered = addresses._find_client_again.cache_info().currsize

    assert find_client("10.0.0.1", f"{'6.6.6.6, ' * 20}198.51.100.201", PROXIES) == "198.51.100.201"

    assert addresses._find_client_again.cache_info().currsize == remembered


def test_a_peer_without_an_address_is_nobodys_proxy() -> None:
    assert find_client("/run/sanctum.sock", "203.0.113.7", PROXIES) == "/run/sanctum.sock"


@pytest.mark.parametrize("written", ["::ffff:127.0.0.1", "::FFFF:7f00:1", " 127.0.0.1 "])
def test_an_ipv4_address_is_the_same_however_it_is_written(written: str) -> None:
    assert normal_address(written) == "127.0.0.1"
    assert written.strip() in Networks(parse_networks("127.0.0.1"))


@pytest.mark.parametrize("written", ["::ffff:10.1.0.0/112", "::ffff:10.1.2.3", "::FFFF:a01:203", "10.1.0.0/16"])
def test_s_d11_an_ipv4_network_is_the_same_however_it_is_written(written: str) -> None:
    """Else a proxy that was named like this would not be trusted, and nothing would say so."""
    assert "10.1.2.3" in Networks(parse_networks(written))
    assert "10.2.2.3" not in Networks(parse_networks(written))
    assert "::1" in Networks(parse_networks("::/0"))


def test_s_d11_ipv6_addresses_of_one_network_share_a_limit() -> None:
    assert limit_key("2001:db8:0:1::1") == limit_key("2001:db8:0:1:ffff:ffff:ffff:ffff")
    assert limit_key("2001:db8:0:1::1") != limit_key("2001:db8:0:2::1")
    assert limit_key("203.0.113.7") == "203.0.113.7" != limit_key("203.0.113.8")
    assert limit_key("nobody") == "nobody"
