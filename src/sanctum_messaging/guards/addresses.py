"""Whose address it is: nobody is believed about it but the proxies that the operator names."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.config.parsers import Network

_MAX_HOP = 64
"""Characters of the longest address with brackets, zone and port; what is longer is none, and is not remembered."""
_PREFIX = 64
"""Bits of an IPv6 address that name a network: whoever has one of them has all the addresses in it."""
_REMEMBERED = 4_096
"""Addresses whose text need not be read again: a few hundred kilobytes, and a tenth of the price."""
_MAX_REMEMBERED_HOPS = 128
"""Characters of an X-Forwarded-For that is remembered: some eight hops, and all of them within two megabytes."""


class Networks:
    """Which addresses are in any of some networks. An IPv4 address is the same however it is written."""

    def __init__(self, networks: tuple[Network, ...]) -> None:
        self._networks = networks
        self._find = lru_cache(_REMEMBERED)(self._search)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: str) -> bool:
        return bool(self._networks) and len(address) <= _MAX_HOP and self._find(address)

    def _search(self, address: str) -> bool:
        read = _read(address)
        return read is not None and any(read in network for network in self._networks)


NOBODY = Networks(())


def find_client(peer: str, forwarded_for: str | None, trusted: Networks) -> str:
    """Find the client's address: the peer's, or behind proxies that are trusted the one that they were called from.

    ``forwarded_for`` is X-Forwarded-For, in which each proxy writes whom it serves to the right of what it was told.
    From the right, the first hop that is no trusted proxy is the client; where a hop is no address, it is the last one
    before it. What stands to the left of that may be anybody's invention and is not looked at.
    """
    if forwarded_for is None or len(forwarded_for) <= _MAX_REMEMBERED_HOPS:
        return _find_client_again(peer, forwarded_for, trusted)
    return _find_client(peer, forwarded_for, trusted)


def normal_address(text: str) -> str | None:
    """Write an address in its one canonical form, without brackets, port and zone; none if it is no address."""
    text = text.strip(" \t")
    return _normal(text) if len(text) <= _MAX_HOP else None


@lru_cache(_REMEMBERED)
def limit_key(address: str) -> str:
    """Name whom an address stands for in a limit: itself, or with IPv6 its /64; a text that is none, itself."""
    read = _read(address)
    return str(ip_network((read, _PREFIX), strict=False)) if isinstance(read, IPv6Address) else address


def _find_client(peer: str, forwarded_for: str | None, trusted: Networks) -> str:
    address = normal_address(peer) or peer
    rest = forwarded_for or ""
    while rest and address in trusted:
        rest, _, hop = rest.rpartition(",")
        found = normal_address(hop)
        if found is None:
            break
        address = found
    return address


_find_client_again = lru_cache(_REMEMBERED)(_find_client)


@lru_cache(_REMEMBERED)
def _normal(text: str) -> str | None:
    read = _read(_without_port(text))
    return None if read is None else str(read)


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        read = ip_address(text)
    except ValueError:
        return None
    if isinstance(read, IPv4Address):
        return read
    return read.ipv4_mapped or IPv6Address(int(read))
