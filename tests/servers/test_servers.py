"""What the launcher promises to the tests that use it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.servers.postgres import PostgresServer, open_standby
from tests.servers.postgres_wire import PostgresError
from tests.servers.proxy import Proxy
from tests.servers.server import ServerError
from tests.servers.valkey import open_valkey

if TYPE_CHECKING:
    from tests.servers.valkey import ValkeyServer

ABANDONED = """
import sys, time
from tests.servers.valkey import open_valkey
with open_valkey() as server:
    print(server.pid, server.folder, flush=True)
    sys.stdin.read()
"""


async def test_a_database_takes_our_driver(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        assert await connection.fetchval("SELECT 'Zürich'") == "Zürich"
    finally:
        await connection.close()


def test_each_test_gets_a_database_of_its_own(postgres_server: PostgresServer, postgres_url: str) -> None:
    database = postgres_url.rpartition("/")[2]
    postgres_server.run_sql("CREATE TABLE things ()", database=database)

    other = postgres_server.create_database(template=database)
    empty = postgres_server.create_database()

    assert postgres_server.run_sql("SELECT count(*) FROM things", database=other) == [["0"]]
    with pytest.raises(PostgresError, match="42P01"):
        postgres_server.run_sql("SELECT count(*) FROM things", database=empty)


def test_postgres_keeps_its_data_when_killed(postgres_server: PostgresServer) -> None:
    postgres_server.revive()
    before = postgres_server.url
    postgres_server.run_sql("CREATE TABLE kept AS SELECT 1 AS one, NULL AS nothing")

    postgres_server.kill()
    with pytest.raises(ConnectionRefusedError):
        postgres_server.run_sql("SELECT 1")
    postgres_server.restart()

    assert postgres_server.run_sql("TABLE kept") == [["1", None]]
    assert postgres_server.url == before


def test_a_paused_postgres_answers_once_it_is_resumed(postgres_server: PostgresServer, postgres_url: str) -> None:
    answered = threading.Event()

    def ask() -> None:
        postgres_server.run_sql("SELECT 1")
        answered.set()

    postgres_server.pause()
    asking = threading.Thread(target=ask)
    asking.start()
    assert not answered.wait(0.05)
    postgres_server.resume()

    assert answered.wait(10)
    asking.join()


async def test_a_standby_follows_and_takes_writes_when_promoted(postgres_server: PostgresServer) -> None:
    postgres_server.revive()
    async with Proxy(postgres_server.port) as link:
        with open_standby(postgres_server, upstream=link.url(postgres_server.url)) as standby:
            postgres_server.run_sql("CREATE TABLE followed AS SELECT 'here' AS it")
            await asyncio.to_thread(standby.wait_for, postgres_server)
            with pytest.raises(PostgresError, match="25006"):
                standby.run_sql("DROP TABLE followed")

            link.hold()
            postgres_server.run_sql("INSERT INTO followed VALUES ('lost')")
            standby.promote()

            standby.run_sql("INSERT INTO followed VALUES ('there')")
            assert standby.run_sql("TABLE followed") == [["here"], ["there"]]


def test_a_start_that_fails_shows_the_log(postgres_server: PostgresServer) -> None:
    broken = PostgresServer(postgres_server.folder, binaries=postgres_server.binaries, settings={"work_mem": "many"})

    with pytest.raises(ServerError, match='invalid value for parameter "work_mem"'):
        broken.start()


async def test_valkey_takes_our_driver_and_is_empty(valkey_server: ValkeyServer, valkey_url: str) -> None:
    async with Redis.from_url(valkey_url, protocol=3) as redis:
        assert await redis.dbsize() == 0
        await redis.set("key", "value")

    valkey_server.kill()
    valkey_server.restart()

    async with Redis.from_url(valkey_url, protocol=3) as redis:
        assert await redis.dbsize() == 0


def test_valkey_keeps_its_keys_when_told_to(valkey_server: ValkeyServer) -> None:
    with open_valkey(password="secret", settings={"appendonly": "yes", "appendfsync": "always"}) as server:
        assert server.url == f"redis://:secret@127.0.0.1:{server.port}/0"
        server.run("SET", "key", "Zürich")

        server.kill()
        server.restart()

        assert server.run("STRLEN", "key") == ":7"


def test_a_server_and_its_folder_go_when_the_tests_are_killed(valkey_server: ValkeyServer) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", ABANDONED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        _, folder = child.stdout.readline().split()
        child.kill()

    wait_until_gone(Path(folder))


def wait_until_gone(folder: Path) -> None:
    while folder.exists():
        time.sleep(0.005)
