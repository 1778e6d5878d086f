"""One service for all tests of a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.server.wire import Wire, wire_to

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with wire_to(tmp_path_factory.mktemp("data")) as wire:
        yield wire
