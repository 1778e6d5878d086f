"""What the embedded database shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from pathlib import Path

    from sanctum_messaging.adapters.sqlite.database import Database


def sqlite_readings(database: Database) -> list[Reading]:
    """List the sizes of its files."""
    path = database.path
    wal = path.with_name(f"{path.name}-wal")
    return [
        Reading("sqlite_bytes", "The database's file.", lambda: _size_of(path), "gauge"),
        Reading(
            "sqlite_wal_bytes",
            "The WAL's file: up to 32 MiB, more only while a reader is in the way.",
            lambda: _size_of(wal),
            "gauge",
        ),
    ]


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
