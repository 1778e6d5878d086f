"""Whatever happens in whatever order: each socket is handed each event once and in order, and cursors tell the truth.

A cursor that a client is told says that all up to it was handed over before.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.hub_client import until
from tests.unit.hub.happenings import STEPS, Happenings, fresh_world
from tests.unit.hub.scene import Scene
from tests.unit.hub.shown import check_visitor, find_shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.domain.model import ConversationId
    from tests.hub_world import World
    from tests.unit.hub.scene import Visitor

_SOCKETS = ["connect", "resume", *["stall"] * 5, "sip", "sip", "flow", "flow", "flow", "vanish", "let run", "let run"]
_SAID = ["ping", "ping", "pong", "ack", "ack", "say", "type", "fly", "bye"]
_BEHIND = ["silence", "silence", "hear", "hear", "hold", "hold", "release", "release", "sweep", "pass time"]
_RARE = ["restore", "drain"]
_ALL = [*STEPS, "burst", "burst", "burst", *_SOCKETS, *_SOCKETS, *_SAID, *_BEHIND, *_RARE]

_PLANS = {
    "steps": st.lists(st.tuples(st.sampled_from(_ALL), st.integers(0, 11)), min_size=50, max_size=90),
    "ring_events": st.sampled_from([1, 6, 1_000]),
    "pending_bytes": st.sampled_from([1, 3_000, 65_536]),
    "page_events": st.sampled_from([1, 4, 500]),
    "window": st.sampled_from([1, 10, 1_000]),
}


def plan(*, examples: int, fixed: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Try so many plans: always the same, or others each time."""
    return settings(
        max_examples=int(os.environ.get("SANCTUM_EXAMPLES", examples)),
        deadline=None,
        derandomize=fixed,
        database=None,
        phases=(Phase.generate,) if fixed else (Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@plan(examples=25, fixed=True)
@given(**_PLANS)
def test_every_socket_is_handed_its_stream(steps: list[tuple[str, int]], **sizes: int) -> None:
    asyncio.run(_play(steps, **sizes))


@pytest.mark.chaos
@pytest.mark.timeout(1_800)
@plan(examples=1_500, fixed=False)
@given(**_PLANS)
def test_every_socket_is_handed_its_stream_for_long(steps: list[tuple[str, int]], **sizes: int) -> None:
    asyncio.run(_play(steps, **sizes))


async def _play(steps: list[tuple[str, int]], **sizes: int) -> None:
    async with fresh_world(**sizes) as world:
        happenings = await Happenings.begin(world)
        scene = Scene(world, world.resume_store._database, happenings)
        for step, number in [("connect", 0), ("connect", 1), ("connect", 2), *steps]:
            await scene.act(step, number)
        await scene.end()
        for visitor in scene.visitors:
            _check(visitor, scene, happenings.group)
        await _check_nothing_is_left(world, scene)


def _check(visitor: Visitor, scene: Scene, group: ConversationId) -> None:
    shown_by_epoch = []
    for log in scene.logs:
        shown = find_shown(log, visitor.name, joined_only=group)
        shown_by_epoch.append((shown.due, shown.allowed, {str(event.cursor): event.position for event in log}))
    check_visitor(visitor, shown_by_epoch)


async def _check_nothing_is_left(world: World, scene: Scene) -> None:
    """End half of them from either side, some of whom read nothing."""
    for number, visitor in enumerate(scene.visitors):
        if visitor.socket is not None and number % 2:
            visitor.socket.stall()
        elif visitor.socket is not None:
            visitor.socket.vanish()
    hub = world.hub
    await hub.drain()
    await until(lambda: not hub._parts.registry.connections)
    assert hub.counters.connections == 0
    assert hub._parts.registry._holders == {}
    assert hub._parts.registry._seated == {}
    assert all(user.uses == 0 and user.live == () for user in hub._users._users.values())
    await until(lambda: not hub.view.flush._pending)
    for visitor in scene.visitors:
        assert [fault for witness in visitor.witnesses for fault in witness.faults] == []
