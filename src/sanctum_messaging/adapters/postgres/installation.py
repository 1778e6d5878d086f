"""What names this installation: drawn when the schema was made, and the same for every instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.adapters.postgres.database import Database

_READ = "SELECT log_id, bus_key FROM installation WHERE one = 1"


@dataclass(frozen=True, slots=True)
class Installation:
    """``log_id`` names the log; ``bus_key`` authenticates what instances tell one another."""

    log_id: str
    bus_key: str


async def read_installation(database: Database) -> Installation:
    """Read the row that the first migration made."""
    row = await database.read_row(_READ)
    if row is None:
        message = "the table installation has lost its row"
        raise RuntimeError(message)
    return Installation(row["log_id"], row["bus_key"])
