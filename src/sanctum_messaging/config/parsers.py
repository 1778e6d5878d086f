"""How the text of a variable is read: each raises ValueError with a sentence for the operator.

The sentence never repeats the value, which may be secret.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

SQLITE = "sqlite:///"
"""What an address of a SQLite file begins with; a fourth slash makes the path absolute."""

POSTGRES = ("postgresql://", "postgres://")
REDIS = ("redis://", "rediss://", "unix://")

MAX_PORT = 65_535
MIN_SECRET = 16
"""Characters: 96 bits, if they are drawn from 64."""
MIN_POOL = 4
"""One connection is the writer's own, two are for other writes, and one reads."""
MAX_POOL = 200
MAX_WORKERS = 64
"""More than a machine has use for, and few enough that a slip of the hand does not bring it down."""
_MAX_TEXT = 255
_MAPPED_PREFIX = 96
"""Bits before the IPv4 address in an IPv6 address that stands for one (``::ffff:10.0.0.1``)."""
MAX_DRAIN = 20
"""Seconds: with what follows, a stop is over within the 30 s that orchestrators commonly grant."""
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
MAX_LIMIT = 10**9
MAX_INTERVAL_MS = 24 * 3_600_000
MIN_INTERVAL_MS = 1_000
MAX_FRAMES = 100_000
MAX_BODY_BYTES = 1_048_576
MIN_BODY_BYTES = 1_024
RATE_LIMIT_MODES = ("enforce", "shadow")
JWT_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
"""Asymmetric only: with a shared secret, whoever can verify can also sign. RFC 9864 gave EdDSA its second name."""
_SWITCH = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*)(:[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": 80, "https": 443}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_loopback(host: str) -> bool:
    """Tell whether the host is this machine and nothing else."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_text(value: str) -> str:
    if len(value) > _MAX_TEXT or not value.isprintable():
        raise ValueError(f"must be 1 to {_MAX_TEXT} printable characters")
    return value


def parse_host(value: str) -> str:
    if not value.isprintable() or any(character in value for character in " /[]@"):
        raise ValueError("must be an IP address without brackets, or a host name")
    return value


def parse_port(value: str) -> int:
    return _number(value, 0, MAX_PORT)


def parse_log_level(value: str) -> str:
    if value.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return value.lower()


def parse_switch(value: str) -> bool:
    if value.lower() not in _SWITCH:
        raise ValueError("must be on or off")
    return _SWITCH[value.lower()]


def parse_database_url(value: str) -> str:
    if value.startswith(POSTGRES):
        return _check_address(value)
    if value.lower().startswith("postgres"):
        raise ValueError(f"must begin with {POSTGRES[0]}, without the name of a driver")
    path = unquote(value.removeprefix(SQLITE))
    named = value.startswith(SQLITE) and "?" not in value and "#" not in value and path.isprintable()
    if not named or Path(path).name in {"", "..", ":memory:"}:
        raise ValueError(
            f"must be {SQLITE}path/to/file, with a fourth slash if the path is absolute, or {POSTGRES[0]}…"
        )
    return value


def parse_redis_url(value: str) -> str:
    if not value.startswith(REDIS):
        raise ValueError(f"must begin with {', '.join(REDIS[:-1])} or {REDIS[-1]}")
    return _check_address(value)


def _check_address(value: str) -> str:
    """Refuse what no driver could read; the drivers check the rest when they connect."""
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError("is not an address") from None
    # A slash or a question mark in a password ends what is its place: the rest would be no secret to whoever shows it.
    misplaced = bool(parts.netloc) and "@" in parts.path + parts.query
    if " " in value or not value.isprintable() or parts.fragment or misplaced:
        raise ValueError("must be an address without spaces, in which # / ? @ of a password are %23 %2F %3F %40")
    ports = "".join(host.rpartition("]")[2].partition(":")[2] for host in parts.netloc.rpartition("@")[2].split(","))
    if ports and not ports.isdecimal():
        raise ValueError("must be an address such as scheme://user:password@host:port, with a number for the port")
    return value


def parse_secret(value: str) -> str:
    if len(value) < MIN_SECRET or not value.isprintable():
        raise ValueError(f"must be at least {MIN_SECRET} printable characters")
    return value


def parse_pool_size(value: str) -> int:
    return _number(value, MIN_POOL, MAX_POOL)


def parse_workers(value: str) -> int:
    return _number(value, 1, MAX_WORKERS)


def parse_drain(value: str) -> int:
    return _number(value, 0, MAX_DRAIN)


def parse_limit(value: str) -> int:
    return _number(value, 0, MAX_LIMIT)


def parse_interval(value: str) -> int:
    return _number(value, MIN_INTERVAL_MS, MAX_INTERVAL_MS)


def parse_frames(value: str) -> int:
    return _number(value, 0, MAX_FRAMES)


def parse_body_bytes(value: str) -> int:
    return _number(value, MIN_BODY_BYTES, MAX_BODY_BYTES)


def parse_rate_limit_mode(value: str) -> str:
    if value.lower() not in RATE_LIMIT_MODES:
        raise ValueError(f"must be one of {', '.join(RATE_LIMIT_MODES)}")
    return value.lower()


def parse_networks(value: str) -> tuple[Network, ...]:
    """Read addresses and networks; an address is the network of itself alone. ``none`` stands for none."""
    if value.lower() == "none":
        return ()
    try:
        return tuple(dict.fromkeys(_network(part.strip()) for part in value.split(",") if part.strip()))
    except ValueError:
        raise ValueError("must be addresses or networks such as 10.0.0.0/8, separated by commas") from None


def _network(text: str) -> Network:
    """Read a network. One of IPv4 that is written as IPv6 is read as IPv4, as the addresses are that come."""
    network = ipaddress.ip_network(text)
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is None or network.prefixlen < _MAPPED_PREFIX:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX))


def parse_hosts(value: str) -> tuple[str, ...]:
    hosts = tuple(dict.fromkeys(part.strip().lower() for part in value.split(",") if part.strip()))
    if not all(_HOST.fullmatch(host) for host in hosts):
        raise ValueError("must be host names or addresses, separated by commas, without a scheme; a port is optional")
    return hosts


def parse_jwks_url(value: str) -> str:
    wrong = ValueError("must be an https address without user and fragment; http is for this machine only")
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    allowed = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host or ""))
    if not host or not allowed or "@" in parts.netloc or parts.fragment or " " in value or not value.isprintable():
        raise wrong
    return value


def parse_texts(value: str) -> tuple[str, ...]:
    """Read several texts; they hold no comma."""
    return tuple(dict.fromkeys(parse_text(part.strip()) for part in value.split(",") if part.strip()))


def parse_algorithms(value: str) -> tuple[str, ...]:
    """Read names of signature algorithms; one that has two names gets both."""
    chosen = set(parse_texts(value))
    if not chosen <= set(JWT_ALGORITHMS):
        raise ValueError(f"must be of {', '.join(JWT_ALGORITHMS)}")
    if chosen & {"EdDSA", "Ed25519"}:
        chosen |= {"EdDSA", "Ed25519"}
    return tuple(name for name in JWT_ALGORITHMS if name in chosen)


def parse_file(value: str) -> Path:
    path = Path(value)
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def parse_origins(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(parse_origin(part.strip()) for part in value.split(",") if part.strip()))


def parse_origin(value: str) -> str:
    """Write an origin as browsers send it: in lower case, and without the port that the scheme implies."""
    if value == "*":
        raise ValueError("leave it empty to allow any origin")
    wrong = ValueError("must be origins such as https://app.example.com, separated by commas, without path or *")
    try:
        parts = urlsplit(value.lower())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if not host or parts.scheme not in _DEFAULT_PORTS or not value.isascii() or " " in value or "@" in value:
        raise wrong
    if parts.path or parts.query or parts.fragment or value.endswith(("/", "?", "#")) or "*" in host:
        raise wrong
    bare = f"[{host}]" if ":" in host else host
    implied = port in {None, _DEFAULT_PORTS[parts.scheme]}
    return f"{parts.scheme}://{bare}{'' if implied else f':{port}'}"


def _number(value: str, low: int, high: int) -> int:
    if not (value.isascii() and value.isdecimal()) or not low <= int(value) <= high:
        raise ValueError(f"must be a number from {low} to {high}")
    return int(value)
