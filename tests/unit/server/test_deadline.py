"""A deadline that moves, by a loop whose time is moved by hand."""

from __future__ import annotations

import pytest

from sanctum_messaging.server.deadline import Deadline
from tests.unit.server.hand_loop import HandLoop


@pytest.fixture
def loop() -> HandLoop:
    return HandLoop()


@pytest.fixture
def expired() -> list[float]:
    return []


@pytest.fixture
def deadline(loop: HandLoop, expired: list[float]) -> Deadline:
    return Deadline(loop, lambda: expired.append(loop.now))  # type: ignore[arg-type]  # all of a loop that it needs


def test_expires_once(loop: HandLoop, deadline: Deadline, expired: list[float]) -> None:
    deadline.set(5)
    loop.pass_time(4)
    assert expired == []
    loop.pass_time(1)
    loop.pass_time(100)
    assert expired == [105.0]


def test_can_be_put_off_without_another_timer(loop: HandLoop, deadline: Deadline, expired: list[float]) -> None:
    deadline.set(10)
    for _ in range(9):
        loop.pass_time(1)
        deadline.set(10)
    assert loop.set_timers == 1
    loop.pass_time(1)
    assert (expired, loop.set_timers) == ([], 2)
    loop.pass_time(9)
    assert expired == [119.0]


def test_can_be_brought_forward(loop: HandLoop, deadline: Deadline, expired: list[float]) -> None:
    deadline.set(65)
    deadline.set(10)
    loop.pass_time(10)
    assert expired == [110.0]
    loop.pass_time(100)
    assert expired == [110.0]


def test_can_be_lifted_and_set_again(loop: HandLoop, deadline: Deadline, expired: list[float]) -> None:
    deadline.set(10)
    deadline.lift()
    loop.pass_time(20)
    assert expired == []
    deadline.set(5)
    loop.pass_time(5)
    assert expired == [125.0]


def test_leaves_nothing_behind_when_cancelled(loop: HandLoop, deadline: Deadline, expired: list[float]) -> None:
    deadline.set(10)
    deadline.cancel()
    assert all(timer.cancelled for timer in loop.timers)
    loop.pass_time(20)
    assert expired == []
