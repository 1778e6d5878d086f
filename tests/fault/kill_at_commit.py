"""Kills a process while it commits.

    python kill_at_commit.py PID WRITE_AHEAD_LOG DELAY_SECONDS

A program of its own, since whoever loads the service is too busy to hit a moment of a few milliseconds. A commit begins
with a write to the log file; the delay from there decides whether the kill lands within the write, within the sync, or
between the commit and its answers.
"""

from __future__ import annotations

import os
import signal
import sys
import time


def main(pid: int, path: str, delay_seconds: float) -> None:
    """Watch the file; at its next change, wait, then kill."""
    before = os.stat(path).st_mtime_ns  # noqa: PTH116 - the fastest call there is
    while os.stat(path).st_mtime_ns == before:  # noqa: PTH116 - as above
        pass
    until = time.monotonic() + delay_seconds
    while time.monotonic() < until:
        pass
    os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
