"""The numbers of the hub, and the clocks that it reads."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


def _wall_clock() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Defaults fit a machine with 10,000 connections; tests make the times short and move the clocks."""

    now: Callable[[], int] = _wall_clock
    """Milliseconds since the epoch, for what clients are told and for the expiry of tokens."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds that never step back, for everything else."""

    heartbeat_ms: int = 20_000
    hello_seconds: float = 10.0
    stall_seconds: float = 30.0
    """How long a frame may wait for a peer that does not read."""
    token_notice_ms: int = 60_000
    """How long before its token's expiry a client is asked for a fresh one."""
    token_grace_ms: int = 30_000
    """How long after its token's expiry a connection may still bring a fresh one."""
    tick_seconds: float = 0.25
    """How often something that depends on time is looked at; each connection takes its turn every 2 s."""
    hole_seconds: float = 0.02
    """How long a hole waits to be filled by the writer itself before it is read: two fsyncs of a slow disk."""
    retry_seconds: float = 1.0
    close_seconds: float = 1.0
    """How long a close waits for the session to be kept."""
    leave_seconds: float = 3.0
    """How long a client that was told to go is served after its share of the time: it opens its next socket first."""
    drain_seconds: float = 4.0
    """How long stopping waits for the connections to end; with what follows it stays below 5 s."""

    ring_bytes: int = 32 * 1024 * 1024
    ring_events: int = 20_000
    """The ring's bounds: minutes of a busy service, which is what a restart or a tunnel takes. Bytes are those that the
    process takes for it; 32 MiB are 15,000 short messages with their frames."""
    pending_bytes: int = 64 * 1024
    """What may be pending for a live connection; above, it reads pages at its own pace."""
    page_events: int = 500
    page_bytes: int = 64 * 1024
    window: int = 8_192
    """Positions that the first database page covers; 1 million foreign events take 5 pages."""
    sync_bytes: int = 1024 * 1024
    sync_seconds: float = 2.0
    """How long a poll reads on through what is not for it, before it says how far it came."""
    database_catch_ups: int = 8
    """Pages that are read from the database at a time, so that a herd leaves room for everybody else."""
    connections_per_user: int = 0
    """How many a user may have; 0: as many as he likes."""
    frames_in_flight: int = 32
    frames_per_second: int = 0
    """What a client may say, and twice as much at once; 0: as much as it likes."""
    refuses_frames: bool = True
    """Whether what is above that is refused, or only counted."""
    replies_pending: int = 64

    linger_seconds: float = 60.0
    """How long a user's memberships stay after his last connection or poll: longer than a poll takes (30 s)."""
    ack_persist_seconds: float = 5.0
    persist_seconds: float = 60.0
    resume_ttl_seconds: int = 86_400
