from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.domain.model import ORIGIN, DeviceId, SessionId, TenantId, UserId
from sanctum_messaging.hub.registry import Registry
from sanctum_messaging.hub.resume import Resume
from sanctum_messaging.ports.resume_store import ResumeState
from sanctum_messaging.protocol.session import Phase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sanctum_messaging.domain.errors import SanctumError
    from sanctum_messaging.protocol.codes import CloseCode
    from tests.hub_world import World


class Holder:
    def __init__(self) -> None:
        self.closed: list[CloseCode] = []

    def spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        raise AssertionError(work)

    def fail(self, error: Exception) -> None:
        raise error

    def tell_refusal(self, error: SanctumError) -> None:
        raise error

    def read_on(self) -> None:
        raise AssertionError

    @property
    def phase(self) -> Phase:
        return Phase.CLOSING if self.closed else Phase.LIVE

    def is_doubtful(self, now: float) -> bool:
        raise AssertionError(now)

    def close(self, code: CloseCode) -> None:
        self.closed.append(code)


@pytest.fixture
def session(world: World) -> Callable[[int], Resume]:
    def make(generation: int) -> Resume:
        owner = (TenantId("default"), UserId("ben"), DeviceId("-"), SessionId("-"))
        state = ResumeState(*owner, cursor=ORIGIN, generation=generation)
        token = f"id.{generation}.secret"
        return Resume(world.hub.callables, world.settings, token=token, state=state, resumed=True)

    return make


async def test_who_takes_a_session_over_closes_its_holder(session: Callable[[int], Resume]) -> None:
    registry, first, second = Registry(), Holder(), Holder()
    assert registry.claim(session(1), first)
    assert registry.claim(session(2), second)
    assert (first.closed, second.closed) == ([4504], [])


async def test_who_comes_late_leaves_the_holder_alone(session: Callable[[int], Resume]) -> None:
    """Answers of a store may arrive in another order than the takeovers happened."""
    registry, first, second = Registry(), Holder(), Holder()
    assert registry.claim(session(3), second)
    assert not registry.claim(session(2), first)
    assert second.closed == []


async def test_only_its_holder_gives_a_session_up(session: Callable[[int], Resume]) -> None:
    registry, old, new = Registry(), session(1), session(2)
    registry.claim(old, Holder())
    registry.claim(new, Holder())
    registry.give_up(old)
    assert not registry.claim(old, Holder())
    registry.give_up(new)
    assert registry.claim(old, Holder())
