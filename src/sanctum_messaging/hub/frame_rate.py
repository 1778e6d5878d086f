"""How fast a client may speak, whatever it says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import RateLimitedError
from sanctum_messaging.protocol.codec import BadFrameError
from sanctum_messaging.protocol.codes import CloseCode

if TYPE_CHECKING:
    from sanctum_messaging.hub.counters import HubCounters
    from sanctum_messaging.hub.settings import HubSettings

BURST_SECONDS = 2
"""How many seconds' worth may come at once: what has queued up on a phone in a tunnel."""


class FrameRate:
    """So many frames a second, and twice as many at once; one number, and no more than a comparison for each frame."""

    __slots__ = ("_ahead", "_due", "_gap")

    def __init__(self, per_second: int) -> None:
        """Let so many through each second; 0: all."""
        self._gap = 1 / per_second if per_second else 0.0
        self._ahead = BURST_SECONDS - self._gap
        self._due = 0.0
        """When all of it will be there again, if nothing more comes."""

    def find_wait(self, now: float) -> float:
        """Take a frame and return 0; or take none, and return for how many seconds none will be taken."""
        due = max(self._due, now)
        wait = due - now - self._ahead
        if wait > 0:
            return wait
        self._due = due + self._gap
        return 0.0


class FloodGate:
    """Holds a client's frames back where they come too fast, and sends away who goes on all the same."""

    __slots__ = ("_counters", "_frames", "_refusals", "_refuses", "_wait")

    def __init__(self, settings: HubSettings, counters: HubCounters) -> None:
        self._frames = FrameRate(settings.frames_per_second)
        self._refusals = FrameRate(settings.frames_per_second)
        self._refuses = settings.refuses_frames
        self._counters = counters
        self._wait = 0.0

    def admits(self, now: float) -> bool:
        """Tell whether the next frame is taken.

        Raises:
            BadFrameError: the client was told to wait as often as it may speak, and did not listen.
        """
        self._wait = self._frames.find_wait(now)
        if not self._wait:
            return True
        self._counters.frames_above += 1
        if not self._refuses:
            return True
        if self._refusals.find_wait(now):
            raise BadFrameError(CloseCode.FLOOD)
        return False

    def refusal(self) -> RateLimitedError:
        """Say how long to wait to the sender of the frame that was just held back."""
        return RateLimitedError("connection", math.ceil(self._wait * 1000))
