"""A loop whose time is moved by hand."""

from __future__ import annotations


class Timer:
    def __init__(self, when: float, callback: object) -> None:
        self.when, self.callback, self.cancelled = when, callback, False

    def cancel(self) -> None:
        self.cancelled = True


class HandLoop:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []
        self.set_timers = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: object) -> Timer:
        self.set_timers += 1
        self.timers.append(Timer(when, callback))
        return self.timers[-1]

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for timer in [each for each in self.timers if each.when <= self.now]:
            self.timers.remove(timer)
            if not timer.cancelled:
                timer.callback()  # type: ignore[operator]  # it is one
