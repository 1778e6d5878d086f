"""Instances of the service on one PostgreSQL and, if there is one, one Valkey: each a process of its own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bench.servers import serve
from tests.servers.postgres import open_postgres
from tests.servers.valkey import open_valkey

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
    from pathlib import Path

    from bench.servers import Service
    from tests.servers.postgres import PostgresServer
    from tests.servers.valkey import ValkeyServer

SWEPT, HEARD = "without Redis", "with Redis"


@contextlib.contextmanager
def open_servers() -> Generator[tuple[PostgresServer, ValkeyServer]]:
    """Start a PostgreSQL that flushes, and tells when each transaction was committed, and a Valkey."""
    with open_postgres(durable=True, settings={"track_commit_timestamp": "on"}) as postgres, open_valkey() as valkey:
        yield postgres, valkey


def build_environ(database_url: str, redis_url: str | None) -> Mapping[str, str]:
    """Configure an instance."""
    return {"DATABASE_URL": database_url, **({} if redis_url is None else {"REDIS_URL": redis_url})}


@contextlib.asynccontextmanager
async def serve_instances(count: int, data_dir: Path, environ: Mapping[str, str]) -> AsyncGenerator[Sequence[Service]]:
    """Start instances that accept one another's tokens, one after the other: the first makes the schema."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(serve(data_dir, environ=environ)) for _ in range(count)]
