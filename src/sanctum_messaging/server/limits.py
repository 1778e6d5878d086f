"""How much a client may send before it has shown what it wants, and how long it may take."""

from __future__ import annotations

import resource
from dataclasses import dataclass

MAX_HEAD_BYTES = 16 * 1024
"""Of the request line and all fields together, as they come over the wire."""
MAX_FIELDS = 64
MAX_FIELD_BYTES = 8 * 1024 - len(": \r\n")
"""Of a field's name and value: a line has 8 KiB."""
MAX_ADDRESS_BYTES = 4 * 1024
MAX_UNREAD_BYTES = 16 * 1024 * 1024
"""What is taken and thrown away after the answer, so that a client who is still sending gets to read it."""
MAX_PIECES = 16 * 1024
"""How many pieces a body may come in. Each costs half a microsecond, also if it is a chunk of one byte, and megabytes
of these are read at once; an honest client that sends all that is thrown away needs no more."""
FRAMING_PER_PIECE = 12
"""Bytes around each piece of a body: a chunk comes with five at least, and an honest client needs no more. Beyond that,
extensions of chunks and trailers have as much room as a head."""

MAX_FRAGMENTS = 64
"""Of one WebSocket message; a client has no reason to send it in more than one."""
CONTROL_FRAMES_PER_SECOND = 20
"""On a WebSocket, and twice as many at once; a client that pings every second is an eager one."""

MAX_CONNECTIONS = 10_000
WANTED_DESCRIPTORS = MAX_CONNECTIONS * 5 // 4
IDLE_SECONDS = 65
"""Between requests: longer than the 60 s after which load balancers let go of a connection. They should be first."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The limits of one server; only tests have reason to choose others."""

    head_seconds: float = 10.0
    """For a whole head: since the connection, or since the first byte of a later request."""
    body_seconds: float = 15.0
    """For a whole body, since the head."""
    idle_seconds: float = IDLE_SECONDS
    answer_seconds: float = 30.0
    """For a client to read on once its answer fills the buffers."""
    linger_seconds: float = 2.0
    """For a refused client to read why; what it sends meanwhile is thrown away."""
    message_seconds: float = 10.0
    """For a whole message on a WebSocket, since its first byte; not while we are the ones who don't read."""
    close_seconds: float = 10.0
    """For a client to take what it was sent on a WebSocket before the close, and the close itself."""
    max_connections: int = MAX_CONNECTIONS
    max_strangers: int = MAX_CONNECTIONS // 2
    """Connections that have not yet shown a head. Above this, the oldest of them makes room for the newest."""


def raise_descriptor_limit() -> None:
    """Let this process open as many files as it may, up to what it has use for.

    The usual soft limit of 1,024 is there for programs that call ``select``, which can't tell of more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= WANTED_DESCRIPTORS:
        return
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, WANTED_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def limits_of_process() -> ServerLimits:
    """Leave a fifth of the process' file descriptors to the database, to Redis and to the files."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return ServerLimits()
    connections = min(MAX_CONNECTIONS, descriptors * 4 // 5)
    return ServerLimits(max_connections=connections, max_strangers=connections // 2)
