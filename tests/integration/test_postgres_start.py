"""A PostgreSQL that can be reached and yet not be served from: one line that says so, and exit code 2."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


ROLE = "without_rights"


@asynccontextmanager
async def session(url: str) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def other_role_url(migrated_url: str) -> AsyncGenerator[str]:
    """Make a role that sees that the schema is up to date, and no more."""
    async with session(migrated_url) as connection:
        await connection.execute(f"CREATE ROLE {ROLE} LOGIN; GRANT SELECT ON migration TO {ROLE}")
        yield migrated_url.replace("//postgres@", f"//{ROLE}@")
        await connection.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


def start(url: str, tmp_path: Path) -> tuple[int, str]:
    """Start the service; return the exit code and what was said last."""
    command = [sys.executable, "-m", "sanctum_messaging", "serve", "--dev"]
    environ = {**os.environ, "DATABASE_URL": url, "DATA_DIR": str(tmp_path), "PORT": "0"}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    return ended.returncode, ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("table", ["installation", "event"])
async def test_a_table_that_is_locked_for_long(migrated_url: str, tmp_path: Path, table: str) -> None:
    """The first is read when the database is opened, the other when the hub starts, beside tasks that run already."""
    async with session(migrated_url) as connection, connection.transaction():
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        code, said = await asyncio.to_thread(start, migrated_url, tmp_path)
    assert (code, said) == (2, "sanctum: DATABASE_URL: The database does not take this now.")


async def test_a_role_that_may_not_read(other_role_url: str, tmp_path: Path) -> None:
    code, said = await asyncio.to_thread(start, other_role_url, tmp_path)
    assert code == 2
    assert said.startswith("sanctum: DATABASE_URL: the role may not read the table installation: ")
