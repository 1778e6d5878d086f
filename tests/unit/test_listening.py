"""What every connection inherits from the listening socket."""

from __future__ import annotations

import socket

from sanctum_messaging.config import load_config
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
