"""A program in a process of its own, with the processes that it starts: by their lines, and by their end."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PATIENCE_SECONDS = 30


class Program:
    """What it and its children write on standard error is read line by line; the end of that is the end of them all."""

    def __init__(self, command: Sequence[str], *, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self.children: set[int] = set()
        """Those it is known to have started: they are ended too if they outlive it."""
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environ,
            process_group=0,
        )
        self._unread: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the next line that fits; lines before it are kept in ``lines`` only."""
        while (line := self._unread.get(timeout=PATIENCE_SECONDS)) is not None:
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"there was no {pattern!r} in:\n{''.join(self.lines)}")

    def count(self, text: str) -> int:
        """Return how many lines hold the text."""
        return sum(text in line for line in self.lines)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program alone."""
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code, once nobody is left who could write."""
        self.send(number)
        return self.wait()

    def wait(self) -> int:
        """Return the exit code, once nobody is left who could write."""
        self._reader.join(PATIENCE_SECONDS)
        assert not self._reader.is_alive(), "somebody is left behind"
        return self.process.wait(PATIENCE_SECONDS)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            self._unread.put(line)
        self._unread.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE_SECONDS)
        if self._reader.is_alive():
            # Whoever still writes keeps the reader waiting for ever, and the file from being closed.
            for child in filter(is_there, self.children):
                os.kill(child, signal.SIGKILL)
            self._reader.join()
        if self.process.stderr is not None:
            self.process.stderr.close()


def is_there(pid: int) -> bool:
    """Tell whether there is such a process, be it only as one that nobody has taken leave of."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
