"""The whole service in this process, on a real database, called over HTTP without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.integration.authorization.scene import Scene
from tests.integration.calling import Api, open_api
from tests.log_lines import Lines, logged

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path


@pytest.fixture
async def api(tmp_path: Path) -> AsyncGenerator[Api]:
    """Run a service for development: any user gets a token."""
    async with open_api(tmp_path) as api:
        yield api


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Keep what is logged."""
    with logged() as lines:
        yield lines


@pytest.fixture
async def logged_api(tmp_path: Path, lines: Lines) -> AsyncGenerator[Api]:
    """Run a service for development whose log is looked at, from when it has started."""
    async with open_api(tmp_path) as api:
        lines.clear()
        yield api


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Scene]:
    """Run one service for all tests of a module; each of them has conversations of its own."""
    folder = tmp_path_factory.mktemp("service")
    async with open_api(folder) as api:
        scene = Scene(api, folder / "messaging.db")
        try:
            yield scene
        finally:
            scene.close()
