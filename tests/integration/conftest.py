"""The whole service in this process, on a real database, called over HTTP without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.calling import Api, open_api

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@pytest.fixture
async def api(tmp_path: Path) -> AsyncGenerator[Api]:
    """Run a service for development: any user gets a token."""
    async with open_api(tmp_path) as api:
        yield api
