"""Whether the copy is the original: every row of it, read from both databases again and compared."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sanctum_messaging.adapters.postgres.copy_target import CopyTarget
    from sanctum_messaging.adapters.sql.tables import Key, Row, Table
    from sanctum_messaging.adapters.sqlite.copy_source import CopySource


class DifferenceError(Exception):
    """The copy is not what the original is."""


class Checksum:
    """A count of rows, and a digest of all their values in their order."""

    def __init__(self) -> None:
        self.rows = 0
        self._digest = hashlib.sha256()

    def add(self, rows: Sequence[Row]) -> None:
        self.rows += len(rows)
        for row in rows:
            # It writes null, "", 0 and "0" differently, and where each value ends.
            self._digest.update(msgspec.msgpack.encode(row))

    @property
    def value(self) -> str:
        return self._digest.hexdigest()


async def compare(
    source: CopySource, target: CopyTarget, table: Table, advance: Callable[[int], None]
) -> tuple[int, str]:
    """Return a table's number of rows and their checksum, the same on both sides.

    Raises:
        DifferenceError: they differ, with the first row that does.
    """
    ours, theirs = Checksum(), Checksum()
    after: Key | None = None
    for rows in source.read_chunks(table):
        upto = table.key_of(rows[-1])
        # One more than there should be, so that a row too many is noticed.
        found = await target.read(table, after=after, upto=upto, limit=len(rows) + 1)
        ours.add(rows)
        theirs.add(found)
        if (ours.rows, ours.value) != (theirs.rows, theirs.value):
            raise DifferenceError(_describe(table, rows, found))
        after = upto
        advance(len(rows))
    if more := await target.read(table, after=after, upto=None, limit=1):
        raise DifferenceError(_describe(table, [], more))
    return ours.rows, ours.value


def _describe(table: Table, ours: Sequence[Row], theirs: Sequence[Row]) -> str:
    """Name the first row that differs by its key; what else it holds is nobody's business."""
    expected = {table.key_of(row): row for row in ours}
    found = {table.key_of(row): row for row in theirs}
    key = next(key for key in (*expected, *found) if expected.get(key) != found.get(key))
    fault = "is missing" if key not in found else "is in PostgreSQL alone" if key not in expected else "differs"
    return f"in table {table.name} the row with the key {msgspec.json.encode(key).decode()} {fault}"
