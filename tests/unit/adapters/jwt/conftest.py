from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from sanctum_messaging.adapters.jwt.claims import Issuer
from sanctum_messaging.adapters.jwt.verifier import JWTVerifier
from tests.unit.adapters.jwt.identity_provider import AUDIENCE, ISSUER, MovingClock, WatchedKeys

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


@pytest.fixture
def keys() -> WatchedKeys:
    return WatchedKeys()


@pytest.fixture
def verifier(keys: WatchedKeys, clock: MovingClock) -> JWTVerifier:
    return JWTVerifier(keys, Issuer(ISSUER, AUDIENCE), clock)


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as events:
        yield events
