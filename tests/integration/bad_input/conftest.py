"""A conversation that refused requests leave as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.calling import got

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.calling import Api, Caller

CONVERSATIONS = "/v1/conversations"


@pytest.fixture
async def ann(api: Api) -> Caller:
    return api.user("ann")


@pytest.fixture
async def group(ann: Caller) -> str:
    return await ann.create({"userId": "bob"}, {"userId": "cat", "role": "observer"})


@pytest.fixture(autouse=True)
async def nothing_remains(api: Api, ann: Caller, group: str) -> AsyncIterator[None]:
    """Whatever a test sent, nothing of it is in the log but what it meant to be there."""
    before = api.service.hub.tail
    yield
    assert api.service.hub.tail == before
    assert got(await ann.get(f"{CONVERSATIONS}/{group}"), 200)["conversation"]["version"] == 1
