"""Deleting what is past its time, in portions between which others write."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import apsw

PORTION = 5_000
"""Rows that are deleted in one transaction: some hundredths of a second, for which every other write waits."""


def forget_rows(connection: apsw.Connection, statement: str, before: int) -> int:
    """Run a statement that deletes at most so many rows, its second parameter, up to a time; return how many it did."""
    connection.execute(statement, (before, PORTION))
    return connection.changes()
