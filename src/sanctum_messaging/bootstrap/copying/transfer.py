"""Moving all rows of an installation, as far as an earlier run has not done so, and comparing what arrived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.sql.tables import TABLES
from sanctum_messaging.bootstrap.copying.verification import DifferenceError, compare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sanctum_messaging.adapters.postgres.copy_target import CopyProgress, CopyTarget
    from sanctum_messaging.adapters.sqlite.copy_source import CopySource
    from sanctum_messaging.bootstrap.copying.progress import Progress
    from sanctum_messaging.domain.model import Cursor


@dataclass(frozen=True, slots=True)
class Transferred:
    """The log's end, and of each table the number of rows and their checksum; the same on both sides."""

    head: Cursor
    tables: Mapping[str, tuple[int, str]]


async def transfer(source: CopySource, target: CopyTarget, progress: Progress) -> Transferred:
    """Copy, verify and complete; what a run before this one copied is verified with the rest.

    Raises:
        DatabaseRefusedError: the target holds something else.
        MigrationError: the target's schema can't be made.
        SourceDamagedError, CopyFailedError: it can't go on; another run goes on from here.
        DifferenceError: what arrived is not what left; the copy stays unfinished.
    """
    earlier = await target.begin(source.log_id, source.read_head())
    with progress.phase("copying", earlier.copied):
        await _copy(source, target, earlier, progress)
    with progress.phase("verifying"):
        transferred = await _verify(source, target, progress)
    await target.complete()
    return transferred


async def _copy(source: CopySource, target: CopyTarget, earlier: CopyProgress, progress: Progress) -> None:
    names = [table.name for table in TABLES]
    first = 0 if earlier.table is None else names.index(earlier.table)
    for table in TABLES[first:]:
        after = earlier.key if table.name == earlier.table else None
        for rows in source.read_chunks(table, after):
            await target.write(table, rows)
            progress.advance(len(rows))


async def _verify(source: CopySource, target: CopyTarget, progress: Progress) -> Transferred:
    tables = {table.name: await compare(source, target, table, progress.advance) for table in TABLES}
    head = source.read_head()
    if (found := await target.read_head()) != head:
        message = f"the log ends at {found} in PostgreSQL, and at {head} in the source"
        raise DifferenceError(message)
    return Transferred(head, tables)
