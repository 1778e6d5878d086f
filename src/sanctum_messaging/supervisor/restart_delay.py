"""How long a worker that ended stays away."""

from __future__ import annotations

SHORT_LIFE_SECONDS = 10.0
"""Who lives for longer has done its work; what ended it is not what the next one meets at its start."""
FIRST_SECONDS = 1.0
LONGEST_SECONDS = 30.0
"""Long enough to cost nothing, and short enough that a database that is back is not waited for in vain."""


class RestartDelay:
    """Counts short lives in a row: the first restart is at once, the next after 1 s, 2 s, 4 s and so on up to 30 s."""

    def __init__(self) -> None:
        self._short_lives = 0

    def after(self, lived_seconds: float) -> float:
        """Return the seconds to wait after a worker that lived for so long."""
        if lived_seconds >= SHORT_LIFE_SECONDS:
            self._short_lives = 0
            return 0.0
        self._short_lives += 1
        if self._short_lives == 1:
            return 0.0
        return min(FIRST_SECONDS * 2.0 ** min(self._short_lives - 2, 10), LONGEST_SECONDS)
