"""Deleting what is past its time, in portions that each stay far below the server's limit for a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.adapters.postgres.database import Database

PORTION = 5_000
"""Rows of one statement: some hundredths of a second."""


async def forget_rows(database: Database, statement: str, before: int) -> int:
    """Run a statement that deletes at most $2 rows up to the time $1, until it finds no more; return how many."""
    forgotten = 0
    while rows := await database.write(statement, before, PORTION, repeatable=True):
        forgotten += len(rows)
        if len(rows) < PORTION:
            break
    return forgotten
