"""How fast a client may speak, whatever it says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import RateLimitedError
from sanctum_messaging.protocol.codec import BadFrameError
from sanctum_messaging.protocol.codes import CloseCode
from sanctum_messaging.protocol.frame_rate import FrameRate

if TYPE_CHECKING:
    from sanctum_messaging.hub.counters import HubCounters
    from sanctum_messaging.hub.settings import HubSettings


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
        return RateLimitedError("connection", math.ceil(self._wait * 1000), "frames")
