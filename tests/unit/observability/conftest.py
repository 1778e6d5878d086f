from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGGERS = ("", "uvicorn", "uvicorn.error", "uvicorn.access")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the lines go; all that the set-up changes is put back afterwards."""
    kept = [(logger, dict(vars(logger))) for logger in map(logging.getLogger, LOGGERS)]
    yield io.StringIO()
    structlog.reset_defaults()
    for logger, state in kept:
        vars(logger).update(state)
        logger.setLevel(logger.level)
