"""The variables of what callers may do: how often, and how much of it at a time."""

from __future__ import annotations

from sanctum_messaging.config.parsers import (
    MAX_FRAMES,
    MAX_INTERVAL_MS,
    MAX_LIMIT,
    MIN_INTERVAL_MS,
    RATE_LIMIT_MODES,
    Network,
    parse_frames,
    parse_interval,
    parse_limit,
    parse_networks,
    parse_rate_limit_mode,
)
from sanctum_messaging.config.variable import Variable

RATE_LIMIT_MODE = Variable(
    "RATE_LIMIT_MODE",
    "choice",
    "enforce",
    "Whether what is above a limit is refused, or only counted and logged.",
    parse_rate_limit_mode,
    range=", ".join(RATE_LIMIT_MODES),
)
RATE_LIMIT_INTERVAL_MS = Variable(
    "RATE_LIMIT_INTERVAL_MS",
    "number",
    60_000,
    "The interval of the rate limits. A limit of N lets N pass at once, and then one each Nth part of the interval.",
    parse_interval,
    unit="ms",
    range=f"{MIN_INTERVAL_MS}-{MAX_INTERVAL_MS}",
)


def _limit(name: str, default: int, meaning: str) -> Variable[int]:
    return Variable(name, "number", default, f"{meaning} 0: no limit.", parse_limit, range=f"0-{MAX_LIMIT}")


RATE_LIMIT_MAX = _limit("RATE_LIMIT_MAX", 1_000, "Requests and handshakes per interval and address (IPv6: per /64).")
RATE_LIMIT_PER_DEVICE = _limit(
    "RATE_LIMIT_PER_DEVICE", 120, "Messages sent, edited and deleted per interval and device."
)
RATE_LIMIT_PER_SESSION = _limit("RATE_LIMIT_PER_SESSION", 120, "The same per session.")
RATE_LIMIT_PER_USER = _limit("RATE_LIMIT_PER_USER", 240, "The same per user.")
RATE_LIMIT_READ_PER_USER = _limit("RATE_LIMIT_READ_PER_USER", 1_200, "Reading calls per interval and user.")
RATE_LIMIT_CREATE_PER_USER = _limit(
    "RATE_LIMIT_CREATE_PER_USER",
    60,
    "Calls per interval and user that create or change conversations and participants.",
)
RATE_LIMIT_CONNECT_PER_USER = _limit("RATE_LIMIT_CONNECT_PER_USER", 60, "Sockets opened per interval and user.")
RATE_LIMIT_CONNECT_PER_ADDRESS = _limit(
    "RATE_LIMIT_CONNECT_PER_ADDRESS", 600, "Sockets opened per interval and address."
)
RATE_LIMIT_AUTH_FAILURES = _limit(
    "RATE_LIMIT_AUTH_FAILURES", 10, "Refused tokens per interval and address; above it they are told to wait."
)
RATE_LIMIT_FRAMES = Variable(
    "RATE_LIMIT_FRAMES",
    "number",
    100,
    "Frames that one socket may send, twice as many at once. 0: no limit.",
    parse_frames,
    unit="per second",
    range=f"0-{MAX_FRAMES}",
)
RATE_LIMIT_ALLOWLIST: Variable[tuple[Network, ...]] = Variable(
    "RATE_LIMIT_ALLOWLIST",
    "list",
    parse_networks("127.0.0.1,::1"),
    "Addresses and networks without a limit of their own, separated by commas; their users have theirs. `none`: all"
    " have one.",
    parse_networks,
)

CONNECTIONS_PER_USER = Variable(
    "CONNECTIONS_PER_USER",
    "number",
    20,
    "Sockets that a user may have open on an instance. 0: no limit.",
    parse_limit,
    range=f"0-{MAX_LIMIT}",
)
CONNECTIONS_PER_ADDRESS = Variable(
    "CONNECTIONS_PER_ADDRESS",
    "number",
    1_000,
    "Sockets that an address (IPv6: a /64) may have open on an instance, unless it is on `RATE_LIMIT_ALLOWLIST`. 0: no"
    " limit.",
    parse_limit,
    range=f"0-{MAX_LIMIT}",
)
HANDSHAKES_PER_SECOND = Variable(
    "HANDSHAKES_PER_SECOND",
    "number",
    250,
    "Sockets that an instance lets be opened, four times as many at once; above it clients are told when to come back."
    " 0: no limit.",
    parse_limit,
    unit="per second",
    range=f"0-{MAX_LIMIT}",
)

RATE_LIMITS: tuple[Variable[object], ...] = (
    RATE_LIMIT_MODE,
    RATE_LIMIT_MAX,
    RATE_LIMIT_PER_DEVICE,
    RATE_LIMIT_PER_SESSION,
    RATE_LIMIT_PER_USER,
    RATE_LIMIT_READ_PER_USER,
    RATE_LIMIT_CREATE_PER_USER,
    RATE_LIMIT_CONNECT_PER_USER,
    RATE_LIMIT_CONNECT_PER_ADDRESS,
    RATE_LIMIT_AUTH_FAILURES,
    RATE_LIMIT_INTERVAL_MS,
    RATE_LIMIT_FRAMES,
    RATE_LIMIT_ALLOWLIST,
    CONNECTIONS_PER_USER,
    CONNECTIONS_PER_ADDRESS,
    HANDSHAKES_PER_SECOND,
)
