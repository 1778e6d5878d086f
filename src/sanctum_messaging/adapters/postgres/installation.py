"""What names this installation: drawn when the schema was made, and the same for every instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres.connecting import DatabaseRefusedError
from sanctum_messaging.adapters.sql.tables import TABLES

if TYPE_CHECKING:
    from sanctum_messaging.adapters.postgres.database import Database

_TABLES = ("installation", "copy_progress", *(table.name for table in TABLES))
_BARRED = """
SELECT t.name FROM unnest($1::text[]) AS t (name) WHERE NOT has_table_privilege(t.name, 'SELECT') LIMIT 1
"""
_READ = """
SELECT log_id, bus_key, EXISTS (SELECT 1 FROM copy_progress) AS copying FROM installation WHERE one = 1
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """``log_id`` names the log; ``bus_key`` authenticates what instances tell one another."""

    log_id: str
    bus_key: str


async def read_installation(database: Database) -> Installation:
    """Read the row that the first migration made.

    Raises:
        DatabaseRefusedError: our role may not read the tables, or the database is the target of a copy that is not
            complete.
    """
    barred = await database.read_row(_BARRED, list(_TABLES))
    if barred is not None:
        message = f"the role may not read the table {barred['name']}: grant it the tables, or use their owner"
        raise DatabaseRefusedError(message)
    row = await database.read_row(_READ)
    if row is None:
        message = "the table installation has lost its row"
        raise RuntimeError(message)
    if row["copying"]:
        message = "it holds an unfinished copy: run the same `sanctum copy` again, which goes on with it"
        raise DatabaseRefusedError(message)
    return Installation(row["log_id"], row["bus_key"])
