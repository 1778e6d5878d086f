"""What many missed alike is found once, and what is not for all of them is not found there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.domain.model import HistoryVisibility
from sanctum_messaging.hub.runs import Runs

if TYPE_CHECKING:
    from tests.hub_world import World


@pytest.fixture
def runs(world: World) -> Runs:
    return world.hub._parts.source.runs


async def test_who_missed_the_same_is_given_the_same(world: World, runs: Runs) -> None:
    group, silent = await world.create("ada", "ben"), await world.create("ada", "cy")
    start = world.hub.tail.position
    await world.send_many(group, "ada", 20)
    found = runs.find({group: None}, start)
    assert found is not None
    assert (len(found[0]), found[1]) == (20, sum(len(frame) for _, frame, _ in found[0]))
    assert [cursor.position for cursor, _, _ in found[0]] == list(range(start + 1, start + 21))
    assert runs.find([silent, group], start) is found
    assert runs.find([silent], start) == ([], 0)


async def test_what_was_found_holds_until_something_happens(world: World, runs: Runs) -> None:
    group = await world.create("ada", "ben")
    start = world.hub.tail.position
    message = await world.send(group, "ada", "Helo")
    before = runs.find([group], start)
    await world.edit(message, "Hello")
    after = runs.find([group], start)
    assert before is not None
    assert after is not None
    assert (len(before[0]), len(after[0])) == (1, 2)
    assert all(b'"Hello"' in frame for _, frame, _ in after[0])


async def test_what_is_for_one_alone_is_for_nobody_here(world: World, runs: Runs) -> None:
    group = await world.create("ada", "ben")
    start = world.hub.tail.position
    await world.mute(group, "ben")
    assert runs.find([group], start) is None


async def test_what_is_not_for_who_came_later_is_for_nobody_here(world: World, runs: Runs) -> None:
    group = await world.create("ada", "ben")
    message = await world.send(group, "ada")
    await world.show_history(group, "ada", HistoryVisibility.JOINED)
    start = world.hub.tail.position
    await world.edit(message, "as it was before some came")
    assert runs.find([group], start) is None


async def test_a_run_ends_where_no_page_would_hold_it(world: World, runs: Runs) -> None:
    group = await world.create("ada", "ben")
    start = world.hub.tail.position
    await world.send_many(group, "ada", 20, "x" * 7_000)
    found = runs.find([group], start)
    assert found is not None
    assert 64 * 1024 < found[1] < 72 * 1024


async def test_few_runs_are_remembered(world: World, runs: Runs) -> None:
    group = await world.create("ada", "ben")
    start = world.hub.tail.position
    await world.send_many(group, "ada", 100)
    for position in range(start, world.hub.tail.position):
        assert runs.find([group], position) is not None  # type: ignore[arg-type]  # any number is a position
        assert len(runs._known) <= 64
