"""The log as it is written for machines, kept in memory."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from typing import TYPE_CHECKING, Any

import structlog

from sanctum_messaging.observability.logging import configure_logging

if TYPE_CHECKING:
    from collections.abc import Generator

LOGGERS = ("", "uvicorn", "uvicorn.error", "uvicorn.access")


@contextlib.contextmanager
def kept_logging() -> Generator[io.StringIO]:
    """Make room for lines; all that a set-up changes is put back afterwards."""
    kept = [(logger, dict(vars(logger))) for logger in map(logging.getLogger, LOGGERS)]
    try:
        yield io.StringIO()
    finally:
        structlog.reset_defaults()
        for logger, state in kept:
            vars(logger).update(state)
            logger.setLevel(logger.level)


class Lines:
    """What has been logged until now."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        """All of it, as it is."""
        return self._stream.getvalue()

    def of(self, event: str) -> list[dict[str, Any]]:
        """Read the lines of one event."""
        return [line for line in map(json.loads, self.text.splitlines()) if line["event"] == event]

    def clear(self) -> None:
        """Begin anew."""
        self._stream.seek(0)
        self._stream.truncate()


@contextlib.contextmanager
def logged(level: str = "info") -> Generator[Lines]:
    """Write all that is logged into memory, as JSON."""
    with kept_logging() as stream:
        configure_logging(level, human=False, stream=stream)
        yield Lines(stream)
