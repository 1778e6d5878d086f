"""An embedded installation to copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.copying.embedded_installation import Embedded, arrange

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import HandClock


@pytest.fixture
async def embedded(tmp_path: Path, clock: HandClock) -> Embedded:
    return await arrange(tmp_path / "messaging.db", clock)
