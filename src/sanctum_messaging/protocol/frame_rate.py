"""How many frames may come in a time, whoever counts them."""

from __future__ import annotations

BURST_SECONDS = 2
"""How many seconds' worth may come at once: what has queued up on a phone in a tunnel."""
_ROUNDING = 1e-6
"""Seconds that a sum of many gaps may be off."""


class FrameRate:
    """So many frames a second, and twice as many at once; one number, and no more than a comparison for each frame."""

    __slots__ = ("_ahead", "_due", "_gap", "_slack")

    def __init__(self, per_second: int) -> None:
        """Let so many through each second; 0: all."""
        self._gap = 1 / per_second if per_second else 0.0
        self._ahead = BURST_SECONDS - self._gap
        self._slack = self._gap / 2
        """Sums of gaps are rounded, and that must not cost the last frame of a burst."""
        self._due = 0.0
        """When all of it will be there again, if nothing more comes."""

    def find_wait(self, now: float) -> float:
        """Take a frame and return 0; or take none, and return for how many seconds none will be taken."""
        due = max(self._due, now)
        wait = due - now - self._ahead
        if wait > self._slack:
            return wait
        self._due = due + self._gap
        return 0.0
