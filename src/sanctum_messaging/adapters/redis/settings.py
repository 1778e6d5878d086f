"""How patient the bus is and how much it keeps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BusSettings:
    """The numbers of the bus; the defaults are meant to stay."""

    beat_seconds: float = 2.0
    """Between two heartbeats that the bus sends to itself."""
    dead_seconds: float = 6.0
    """Without an echo for so long, three heartbeats are lost and the link with them."""
    min_backoff_seconds: float = 0.05
    """Before the first attempt to connect again; a restarted server is back within a second."""
    max_backoff_seconds: float = 1.0
    """Before each further one, in the end: as often as the database is looked at anyway."""
    slice_seconds: float = 0.005
    """How long arriving envelopes may keep the event loop to themselves."""
    hint_seconds: float = 1.0
    """A signal that waited longer tells nobody anything (``hub.early_signals``)."""
    max_events: int = 10_000
    """That wait to be published: what a full writer's queue commits."""
    max_event_bytes: int = 8 * 1024 * 1024
    max_hints: int = 1_000
    envelope_events: int = 256
    """Of one envelope: what a receiver applies within 2-3 ms, without a break."""
    envelope_bytes: int = 128 * 1024
    """Of one envelope, unless a single event is larger."""
    round_envelopes: int = 4
    """That are sent before Redis is asked how it went, for which it has a second. What takes longer is sent again, so a
    round of the largest has to get through every link that is fit for it in half of that: 10 Mbit/s."""
