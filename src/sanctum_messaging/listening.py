"""The listening socket, and the line that tells where it is."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging.config import ConfigError, Fault

if TYPE_CHECKING:
    from collections.abc import Generator

    from sanctum_messaging.config import Config

BACKLOG = 2_048
TCP_USER_TIMEOUT_MS = 30_000
"""Data that a peer does not acknowledge for this long ends the connection, whatever keeps its window shut."""
UNSENT_BYTES = 64 * 1024
"""What the system takes of a connection beyond what is on its way to the peer. Left alone it takes megabytes for a peer
that does not read, before anybody here notices."""

_log = structlog.get_logger()


@contextlib.contextmanager
def open_listener(config: Config) -> Generator[socket.socket]:
    """Listen on the address that is configured.

    Raises:
        ConfigError: the address can't be had.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # What stands for all addresses stands for those of IPv4 too, where the system lets it.
    both = config.host == "::" and socket.has_dualstack_ipv6()
    try:
        listener = socket.create_server((config.host, config.port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        raise ConfigError(_describe(error, config)) from error
    # Every accepted socket inherits these. The plain event loop would leave small answers to wait for others.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux only.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    with listener:
        yield listener


def announce(config: Config, listener: socket.socket) -> None:
    """Tell whoever started the service that it can be called, and where."""
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    _log.info("listening", address=address)
    if config.dev:
        print(f"\n  Sanctum Messaging: open {address}/?user=ann and, in another tab, {address}/?user=bob\n", flush=True)  # noqa: T201 - the one line that is for a person


def _describe(error: OSError, config: Config) -> Fault:
    reason = (error.strerror or str(error)).partition(" (while ")[0]  # What follows repeats the address.
    unknown = error.errno is not None and error.errno < 0  # The resolver's numbers, which no call of the system has.
    return Fault("HOST" if unknown else "PORT", f"can't listen on {config.host}:{config.port}: {reason}")
