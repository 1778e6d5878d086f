from __future__ import annotations

from sanctum_messaging.supervisor.restart_delay import RestartDelay


def test_short_lives_are_followed_by_longer_and_longer_waits() -> None:
    delay = RestartDelay()

    assert [delay.after(9.9) for _ in range(8)] == [0, 1, 2, 4, 8, 16, 30, 30]
    assert [delay.after(0.0) for _ in range(2_000)] == [30] * 2_000


def test_a_long_life_makes_up_for_short_ones() -> None:
    delay = RestartDelay()
    for _ in range(5):
        delay.after(1.0)

    assert [delay.after(seconds) for seconds in (10.0, 1.0, 1.0)] == [0, 0, 1]
