from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.log_lines import kept_logging

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the lines go."""
    with kept_logging() as stream:
        yield stream
