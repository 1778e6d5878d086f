"""Whether the server keeps what it has committed when its machine fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.adapters.postgres.database import Database

# A standby that lags behind is no risk of this kind: the primary has what it committed.
_RISKS = """
SELECT name || '_off' AS risk
FROM unnest(ARRAY['fsync', 'synchronous_commit', 'full_page_writes']) WITH ORDINALITY AS s (name, n)
WHERE current_setting(name) = 'off' ORDER BY n
"""


async def find_risks(database: Database) -> tuple[str, ...]:
    """Find the settings that may lose commits: ``fsync_off``, ``synchronous_commit_off``, ``full_page_writes_off``."""
    return tuple(row["risk"] for row in await database.read(_RISKS))
