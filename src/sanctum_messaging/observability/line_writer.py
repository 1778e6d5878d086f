"""Lines on their way to standard error, written by a thread of their own: nobody who logs waits for who reads."""

from __future__ import annotations

import atexit
import os
import queue
import select
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_PENDING_CHARACTERS = 4 * 1024 * 1024
"""Some 10,000 lines: what a log collector that restarts may miss for a second or two of a busy service."""
GATHER_SECONDS = 0.05
"""How long lines are gathered before they are written together: a wake-up of the thread costs more than ten lines."""
FAREWELL_SECONDS = 1.0
"""How long the end of the process waits for a reader who does not read."""


class LineWriter:
    """A text stream whose ``write`` never waits and never fails.

    While nobody reads, lines are kept up to a bound; what comes then is dropped and counted in ``dropped``. What is
    pending when the process ends is written, unless it is killed.

    Processes that share the descriptor do not tear one another's lines, unless one is longer than ``select.PIPE_BUF``.

    There is no lock: the garbage collector may run anywhere in here, and what it collects may have something to log.
    """

    def __init__(self, descriptor: int) -> None:
        """Write to a descriptor, which stays open."""
        self.dropped = 0
        """Lines that nobody will read."""
        self._descriptor = descriptor
        self._lines: deque[str] = deque()
        self._characters = 0
        self._asleep = False
        self._torn = False
        """Whether what was written last broke off within a line."""
        self._closed = False
        # Each call wakes the thread; who gives an event is told once all that was pending then is written.
        self._calls: queue.SimpleQueue[threading.Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, line: str) -> None:
        """Take a line that ends as such."""
        if self._characters + len(line) > MAX_PENDING_CHARACTERS:
            self.dropped += 1
            return
        # Threads that do this at once may lose one another's sum until the next lines are taken, which is soon.
        self._characters += len(line)
        self._lines.append(line)
        if self._asleep:
            self._asleep = False
            self._calls.put(None)

    def flush(self) -> None:
        """Do nothing: that is the thread's part."""

    def isatty(self) -> bool:
        """Tell whether a person reads along."""
        return os.isatty(self._descriptor)

    def drain(self) -> None:
        """Wait until what is pending is written, so that what is said in another way comes after it."""
        written = threading.Event()
        self._calls.put(written)
        written.wait(FAREWELL_SECONDS)

    def close(self) -> None:
        """Write what is pending, if anybody reads, and end; what is written afterwards is kept for nobody."""
        atexit.unregister(self.close)
        self._closed = True
        self._calls.put(None)
        self._thread.join(FAREWELL_SECONDS)

    def _run(self) -> None:
        while not self._closed:
            written = self._rest()
            self._write_pending()
            if written is not None:
                written.set()
        # What came while others were written, right before the end.
        self._write_pending()

    def _rest(self) -> threading.Event | None:
        """Gather lines for a while; if none come, sleep until one does."""
        try:
            return self._calls.get(timeout=GATHER_SECONDS)
        except queue.Empty:
            self._asleep = not self._lines
        # A line that came in between has seen that nobody slept, so it is looked for once more.
        return None if self._lines or not self._asleep else self._calls.get()

    def _write_pending(self) -> None:
        lines = [self._lines.popleft().encode("utf-8", "backslashreplace") for _ in range(len(self._lines))]
        self._characters = 0
        for piece in _pieces(lines):
            try:
                self._put(b"".join(piece))
            except OSError:
                # The reader has gone, or the disk is full: what can't be logged must not end what is served.
                self.dropped += len(piece)

    def _put(self, data: bytes) -> None:
        """Write all of it, after the end of a line that was never finished."""
        rest = memoryview(b"\n" + data if self._torn else data)
        while rest:
            written = self._put_some(rest)
            rest = rest[written:]
            self._torn = self._torn or written > 0
        self._torn = False

    def _put_some(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            # Whoever shares the descriptor has made it one that does not wait. Only this thread does.
            room = select.poll()
            room.register(self._descriptor, select.POLLOUT)
            room.poll()
            return 0


def _pieces(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Part lines into what is written at a time: as much as a pipe takes as a whole, though others write to it, too."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        if piece and size + len(line) > select.PIPE_BUF:
            yield piece
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    if piece:
        yield piece
