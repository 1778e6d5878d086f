"""Lines on their way to standard error, written by a thread of their own: nobody who logs waits for who reads."""

from __future__ import annotations

import atexit
import os
import threading

MAX_PENDING_CHARACTERS = 4 * 1024 * 1024
"""Some 10,000 lines: what a log collector that restarts may miss for a second or two of a busy service."""
GATHER_SECONDS = 0.02
"""How long lines are gathered before they are written together: a wake-up of the thread costs more than a line."""
FAREWELL_SECONDS = 1.0
"""How long the end of the process waits for a reader who does not read."""


class LineWriter:
    """A text stream whose ``write`` never waits and never fails.

    While nobody reads, lines are kept up to a bound; what comes then is dropped and counted in ``dropped``. What is
    pending when the process ends is written, unless it is killed.
    """

    def __init__(self, descriptor: int) -> None:
        """Write to a descriptor, which stays open."""
        self.dropped = 0
        """Lines that nobody will read."""
        self._descriptor = descriptor
        self._lines: list[str] = []
        self._characters = 0
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._hurry = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, line: str) -> None:
        """Take a line that ends as such."""
        with self._lock:
            if self._characters + len(line) > MAX_PENDING_CHARACTERS:
                self.dropped += 1
                return
            self._lines.append(line)
            self._characters += len(line)
            if len(self._lines) == 1:
                self._idle.clear()
                self._arrived.set()

    def flush(self) -> None:
        """Do nothing: that is the thread's part."""

    def isatty(self) -> bool:
        """Tell whether a person reads along."""
        return os.isatty(self._descriptor)

    def drain(self) -> None:
        """Wait until what is pending is written, so that what is said in another way comes after it."""
        self._idle.wait(FAREWELL_SECONDS)

    def close(self) -> None:
        """Write what is pending, if anybody reads, and end; what is written afterwards is kept for nobody."""
        atexit.unregister(self.close)
        self._hurry.set()
        self._arrived.set()
        self._thread.join(FAREWELL_SECONDS)

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            closing = self._hurry.wait(GATHER_SECONDS)
            lines = self._take()
            try:
                self._put("".join(lines).encode("utf-8", "backslashreplace"))
            except OSError:
                # The reader has gone, or the disk is full: what can't be logged must not end what is served.
                self.dropped += len(lines)
            self._note_idle()
            if closing:
                return

    def _take(self) -> list[str]:
        with self._lock:
            lines, self._lines = self._lines, []
            self._characters = 0
            self._arrived.clear()
        return lines

    def _note_idle(self) -> None:
        with self._lock:
            if not self._lines:
                self._idle.set()

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
