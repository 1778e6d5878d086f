"""Writing the WAL back into the file, after commits of the writing connection.

SQLite does so by itself and begins the WAL anew once it finds a moment without readers. With readers that overlap there
is none, and the WAL would grow for as long as they come. So when it is long, the writer waits until those who read it
have finished; who begins to read meanwhile needs the file alone.
"""

from __future__ import annotations

from contextlib import suppress

import apsw

CHECKPOINT_PAGES = 1_000
"""From here on each commit writes back what no reader is in the way of, as SQLite does unless told otherwise."""
RESTART_PAGES = 8_000
"""From here on (32 MiB) readers are waited for, and again each time that it has grown by as much."""
RESTART_MS = 500
"""For whom: longer than any of ours takes, while every write waits. A backup may take minutes; it is not waited for."""


class Checkpoints:
    """Keeps the WAL of one connection short, which is the only one that checkpoints."""

    def __init__(self, connection: apsw.Connection, *, busy_ms: int) -> None:
        """Look after the connection from now on; ``busy_ms`` is how long its statements wait."""
        self._busy_ms = busy_ms
        self._restart_at = RESTART_PAGES
        # A WAL that a backup made long is cut when it begins anew.
        connection.execute(f"PRAGMA journal_size_limit = {RESTART_PAGES * connection.execute('PRAGMA page_size').get}")
        connection.set_wal_hook(self._after_commit)

    def _after_commit(self, connection: apsw.Connection, _database: str, pages: int) -> int:
        # The commit stands whatever becomes of this; the next one tries again.
        with suppress(apsw.Error):
            if pages >= self._restart_at:
                self._restart_at = pages + RESTART_PAGES
                self._begin_anew(connection)
            elif pages >= CHECKPOINT_PAGES:
                connection.wal_checkpoint()
        if pages < RESTART_PAGES:
            self._restart_at = RESTART_PAGES
        return apsw.SQLITE_OK

    def _begin_anew(self, connection: apsw.Connection) -> None:
        connection.set_busy_timeout(RESTART_MS)
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        finally:
            connection.set_busy_timeout(self._busy_ms)
