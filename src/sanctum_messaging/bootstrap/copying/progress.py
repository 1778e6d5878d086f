"""Telling those who wait how far it is: one line that changes on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

TERMINAL_SECONDS = 0.1
"""Between two states of the line: as fast as an eye follows."""
LINE_SECONDS = 5.0
"""Between two lines where they are kept, as in a container's log."""
_WIDTH = 78


class Progress:
    """Counts rows towards a total. ``advance`` is for use within a ``phase``."""

    def __init__(self, out: TextIO, total: int, monotonic: Callable[[], float]) -> None:
        self._out = out
        self._total = total
        self._monotonic = monotonic
        self._terminal = out.isatty()
        self._phase = ""
        self._began = self._told = 0.0
        self._done = self._before = 0

    @contextmanager
    def phase(self, name: str, done: int = 0) -> Generator[None]:
        """Count through a phase, of which an earlier run may have done a part; its last state stays on the screen."""
        self._phase, self._done, self._before = name, done, done
        self._began = self._told = self._monotonic()
        self._tell()
        try:
            yield
        finally:
            self._tell()
            if self._terminal:
                self._out.write("\n")
                self._out.flush()

    def advance(self, rows: int) -> None:
        """Count rows that are done."""
        self._done += rows
        now = self._monotonic()
        if now - self._told >= (TERMINAL_SECONDS if self._terminal else LINE_SECONDS):
            self._told = now
            self._tell()

    def _tell(self) -> None:
        line = self._line()
        self._out.write(f"\r{line:<{_WIDTH}}" if self._terminal else f"{line}\n")
        self._out.flush()

    def _line(self) -> str:
        share = 100 * self._done // self._total if self._total else 100
        line = f"{self._phase} {share:3} %  {self._done:,} of {self._total:,} rows"
        seconds = self._monotonic() - self._began
        fresh = self._done - self._before
        return f"{line}, {fresh / seconds:,.0f} rows/s" if fresh and seconds else line
