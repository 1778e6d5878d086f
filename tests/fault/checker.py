"""Decides whether a recording and the log it left behind could come from a service that keeps its promises.

    python -m tests.fault.checker RECORDING DATABASE

The database is the file of SQLite, the address of PostgreSQL, or a file in which the log was kept (``keep_log``).

Every check is a pure function that yields what it found to be broken:

    K1  an acknowledged message is stored, a refused one is not, an unanswered one may be either
    K2  one message for each client message id, and every answer names that one
    K3  positions are 1..n and seqs 1..m without holes, the same for every reader, and in the order of real time
    K4  nothing after a removal: neither delivered nor answered
    K5  what has been acknowledged is in every later read, on whichever instance
    K6  unread is what a recount gives, and a marker stands where it was acknowledged to stand
    K8  each client took its stream exactly once and in order, over all reconnects
    K10 every refusal and every close is one of the catalogue, and none says that the service failed
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.fault.check_errors import check_errors
from tests.fault.check_reads import check_own_writes, check_removals, check_unread
from tests.fault.check_stored import check_client_ids, check_order, check_stored
from tests.fault.check_streams import check_streams
from tests.fault.history import Recording, Violation, sort_out
from tests.fault.log import Log
from tests.fault.recorder import Entry, read_recording
from tests.fault.stored_log import read_stored_log

CHECKS: Sequence[Callable[[Recording, Log], Iterator[Violation]]] = (
    check_stored,
    check_client_ids,
    check_order,
    check_removals,
    check_own_writes,
    check_unread,
    check_streams,
    check_errors,
)


def check(entries: Sequence[Entry], log: Log) -> list[Violation]:
    """Run every check; an empty list is what one hopes for."""
    recording = sort_out(entries)
    return [violation for each in CHECKS for violation in each(recording, log)]


def main(arguments: Sequence[str]) -> int:
    """Check a recording that was kept."""
    recording, database = arguments
    violations = check(read_recording(Path(recording)), read_stored_log(database))
    for violation in violations:
        sys.stdout.write(f"{violation}\n")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
