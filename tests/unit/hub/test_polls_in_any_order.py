"""Whatever happens in whatever order: who polls is given his stream, each event once, and is woken for all of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanctum_messaging.domain.model import ORIGIN, TenantId
from tests.acting import actor
from tests.hub_client import until
from tests.unit.hub.happenings import STEPS, Happenings, fresh_world
from tests.unit.hub.scene import Scene
from tests.unit.hub.shown import find_shown
from tests.unit.hub.test_any_order import plan

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.domain.model import Actor, ConversationId
    from tests.hub_world import World

_SERVICE = replace(actor("robot", service=True), impersonating=False)
_STRANGER = replace(_SERVICE, tenant=TenantId("elsewhere"))
_WHO = (actor("ben"), actor("ada"), _SERVICE, _STRANGER)
_BEHIND = ["silence", "silence", "hear", "hear", "hold", "hold", "hold", "release", "release", "sweep"]
_ALL = [*STEPS, "burst", "burst", *_BEHIND, *["let run"] * 6]

_PLANS = {
    "steps": st.lists(st.tuples(st.sampled_from(_ALL), st.integers(0, 11)), min_size=40, max_size=80),
    "limit": st.sampled_from([1, 3, 100]),
    "ring_events": st.sampled_from([1, 6, 1_000]),
    "window": st.sampled_from([1, 10, 1_000]),
    "sync_seconds": st.sampled_from([0, 2]),
}


class Poller:
    """One who polls, for as long as it takes to be woken."""

    def __init__(self, world: World, who: Actor, group: ConversationId, *, limit: int) -> None:
        self.who = who
        self.given: list[str] = []
        """The cursors of the events."""
        self.faults: list[str] = []
        self._world = world
        self._group = group
        self._limit = limit
        self.promises: list[tuple[int, int]] = []
        """Up to which position he was told that there is no more, and how many events he had by then."""

    async def run(self) -> None:
        cursor = ORIGIN
        while True:
            acknowledged = max((event.position for event in self._world.events), default=0)
            page = await self._world.hub.read(self.who, cursor=cursor, limit=self._limit, wait_ms=10**9)
            if len(page.events) > self._limit:
                self.faults.append("more than he asked for")
            if page.cursor.position < cursor.position:
                self.faults.append("a cursor goes back")
            self.given += [msgspec.json.decode(event)["cursor"] for event in page.events]
            cursor = page.cursor
            self.promises.append((cursor.position if page.has_more else acknowledged, len(self.given)))

    def has_all(self, scene: Scene) -> bool:
        due, _ = self._find_shown(scene)
        return due <= set(self.given)

    def check(self, scene: Scene) -> None:
        positions = {str(event.cursor): event.position for event in scene.log}
        numbers = [positions[each] for each in self.given]
        assert self.faults == []
        assert numbers == sorted(set(numbers)), "once and in order"
        due, allowed = self._find_shown(scene)
        assert set(self.given) <= allowed, "none of his business"
        for upto, count in self.promises:
            assert {each for each in due if positions[each] <= upto} <= set(self.given[:count]), "all that was there"

    def _find_shown(self, scene: Scene) -> tuple[set[str], set[str]]:
        if self.who.service:
            everything = {str(event.cursor) for event in scene.log if event.tenant == self.who.tenant}
            return everything, everything
        shown = find_shown(scene.log, self.who.user, joined_only=self._group)
        return shown.due, shown.allowed


@plan(examples=6, fixed=True)
@given(**_PLANS)
def test_who_polls_is_given_his_stream(steps: list[tuple[str, int]], limit: int, **sizes: int) -> None:
    asyncio.run(_play(steps, limit, **sizes))


@pytest.mark.chaos
@pytest.mark.timeout(1_800)
@plan(examples=1_000, fixed=False)
@given(**_PLANS)
def test_who_polls_is_given_his_stream_for_long(steps: list[tuple[str, int]], limit: int, **sizes: int) -> None:
    asyncio.run(_play(steps, limit, **sizes))


async def _play(steps: list[tuple[str, int]], limit: int, **sizes: int) -> None:
    async with fresh_world(**sizes) as world:
        happenings = await Happenings.begin(world)
        scene = Scene(world, world.resume_store._database, happenings)
        pollers = [Poller(world, who, happenings.group, limit=limit) for who in _WHO]
        async with _running(pollers) as tasks:
            for step, number in steps:
                await scene.act(step, number)
            scene._release()
            await scene._hear(0)
            world.hub.sweep()
            # Nothing more happens: who was not woken for something would wait for ever.
            await until(lambda: any(each.done() for each in tasks) or all(each.has_all(scene) for each in pollers))
            assert not any(each.done() for each in tasks)
        for each in pollers:
            each.check(scene)
        assert (world.hub._polls._sleepers, world.hub._polls._tenants) == ({}, {})


@asynccontextmanager
async def _running(pollers: list[Poller]) -> AsyncGenerator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(each.run()) for each in pollers]
    try:
        yield tasks
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.wait(tasks)
