from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.identity_provider import MovingClock, WatchedKeys, verifier_of

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from sanctum_messaging.adapters.jwt.verifier import JWTVerifier


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


@pytest.fixture
def keys() -> WatchedKeys:
    return WatchedKeys()


@pytest.fixture
def verifier(keys: WatchedKeys, clock: MovingClock) -> JWTVerifier:
    return verifier_of(keys, clock)


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as events:
        yield events
