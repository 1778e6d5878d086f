"""Reading the audit log, also beside a service that runs."""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import apsw
import msgspec

from sanctum_messaging.adapters.sqlite.audit import read_audit
from sanctum_messaging.adapters.sqlite.database import BUSY_MS
from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.bootstrap.sqlite import is_there
from sanctum_messaging.bootstrap.storage import open_storage
from sanctum_messaging.config import ConfigError, Fault
from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.model import Millis, UserId
from sanctum_messaging.ports.audit import AuditQuery
from sanctum_messaging.presenters import present_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.config import Config
    from sanctum_messaging.ports.audit import AuditEntry


def print_audit(config: Config, *, since: str | None, user: str | None, limit: int) -> int:
    """Print the newest entries, one JSON object in each line, the oldest of them first; return the exit code.

    Raises:
        ConfigError: ``since`` is no time, or the database can't be had.
    """
    query = AuditQuery(_parse_time(since), None if user is None else UserId(user), limit)
    try:
        entries = asyncio.run(_read_shared(config, query)) if config.uses_postgres else _read_embedded(config, query)
    except UnavailableError as error:
        raise ConfigError(Fault("DATABASE_URL", error.detail)) from error
    for entry in entries:
        sys.stdout.buffer.write(msgspec.json.encode(_present(entry)) + b"\n")
    return 0


async def _read_shared(config: Config, query: AuditQuery) -> Sequence[AuditEntry]:
    async with open_storage(config, SystemClock()) as storage:
        return await storage.audit.read(query)


def _read_embedded(config: Config, query: AuditQuery) -> Sequence[AuditEntry]:
    """Read without the lock, on a connection that can't write."""
    if not is_there(config.database_path):
        raise ConfigError(Fault("DATABASE_URL", f"there is no file {config.database_path}"))
    try:
        with closing(apsw.Connection(str(config.database_path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
            connection.set_busy_timeout(BUSY_MS)
            connection.execute("PRAGMA query_only = 1; PRAGMA wal_autocheckpoint = 0")
            return read_audit(connection, query)
    except apsw.Error as error:
        raise ConfigError(Fault("DATABASE_URL", f"can't read {config.database_path}: {error}")) from error


def _present(entry: AuditEntry) -> dict[str, str | None]:
    return {
        "at": present_time(entry.at),
        "tenant": entry.tenant,
        "bearer": entry.bearer,
        "actAs": entry.act_as,
        "tokenId": entry.token_id,
        "session": entry.session,
        "address": entry.address,
        "action": entry.action,
        "requestId": entry.request_id,
        "id": entry.id,
    }


def _parse_time(text: str | None) -> Millis:
    if text is None:
        return Millis(0)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        reason = "must be a time such as 2026-01-31 or 2026-01-31T12:00:00Z; UTC unless it says otherwise"
        raise ConfigError(Fault("--since", reason)) from None
    return Millis(int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000))
