"""What every connection inherits from the listening socket."""

from __future__ import annotations

import socket

import pytest

from sanctum_messaging.config import ConfigError, load_config
from sanctum_messaging.listening import TCP_USER_TIMEOUT_MS, UNSENT_BYTES, open_listener


def test_s_d3_the_system_keeps_little_for_who_does_not_read_and_not_for_long() -> None:
    with (
        open_listener(load_config({"PORT": "0", "HOST": "127.0.0.1"}, dev=True)) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == UNSENT_BYTES
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == TCP_USER_TIMEOUT_MS
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_host_that_is_none_is_called_by_its_variable() -> None:
    config = load_config(
        {"PORT": "0", "HOST": "a..b", "JWKS_URL": "https://id.test", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}
    )

    with pytest.raises(ConfigError) as refused, open_listener(config):
        pass

    (fault,) = refused.value.faults
    assert str(fault).startswith("HOST: can't listen on a..b:0: ")
    assert "Unknown" not in str(fault)


def test_a_port_that_is_taken_is_called_by_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(ConfigError, match=f"^PORT: can't listen on 127.0.0.1:{port}: Address already in use$"),
            open_listener(load_config({"PORT": str(port), "HOST": "127.0.0.1"}, dev=True)),
        ):
            pass


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="the system has no sockets of both families")
def test_all_addresses_are_those_of_both_families() -> None:
    config = load_config(
        {"PORT": "0", "HOST": "::", "JWKS_URL": "https://id.test", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}
    )
    with open_listener(config) as listener:
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, listener.getsockname()[1])).close()
