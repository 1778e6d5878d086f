"""A database that can't be used is refused with one sentence, which holds no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.postgres import admission, connecting
from sanctum_messaging.adapters.postgres.database import DatabaseRefusedError
from sanctum_messaging.domain.errors import UnavailableError
from tests.postgres_database import opened
from tests.servers.postgres import open_standby
from tests.servers.server import free_port
from tests.unit.adapters.postgres.instances import Observer, instance_at
from tests.unit.adapters.postgres.pgbouncer import open_pgbouncer

if TYPE_CHECKING:
    from tests.conftest import HandClock
    from tests.servers.postgres import PostgresServer
    from tests.servers.proxy import Proxy
    from tests.unit.adapters.postgres.instances import Instance

NO_ADDRESS = "is not an address of PostgreSQL such as postgresql://user:password@host:5432/database."


async def refusal_of(url: str) -> str:
    with pytest.raises(DatabaseRefusedError) as refused:
        async with opened(url):
            pass
    assert "secret" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://ann:secret@127.0.0.1/messaging",
        "postgresql://ann:secret@127.0.0.1:port/messaging",
        "postgresql://ann:sec/ret@127.0.0.1/messaging",
        "postgresql://[secret/messaging",
        "postgresql://ann:secret@127.0.0.1/messaging?sslmode=perhaps",
        "postgresql://ann:secret@127.0.0.1/messaging?target_session_attrs=best",
    ],
)
async def test_what_is_no_address_is_refused(url: str) -> None:
    assert await refusal_of(url) == NO_ADDRESS


async def test_a_server_that_is_not_there_is_refused() -> None:
    refusal = await refusal_of(f"postgresql://ann:secret@127.0.0.1:{free_port()}/messaging")
    assert refusal.startswith("PostgreSQL can't be reached (Connect call failed ('127.0.0.1',")


async def test_a_server_that_says_nothing_is_refused(
    proxy: Proxy, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "CONNECT_SECONDS", 0.2)
    proxy.hold()
    assert await refusal_of(proxy.url(postgres_url)) == (
        "PostgreSQL does not answer within 0.2 s; check the host and the port."
    )


async def test_what_the_server_refuses_is_told_in_its_words(postgres_server: PostgresServer, postgres_url: str) -> None:
    assert await refusal_of(postgres_server.url_of("nowhere")) == (
        'PostgreSQL refuses the connection: database "nowhere" does not exist.'
    )
    assert await refusal_of(postgres_url.replace("postgres@", "nobody:secret@")) == (
        'PostgreSQL refuses the connection: role "nobody" does not exist.'
    )
    assert await refusal_of(f"{postgres_url}?nonsense=1") == (
        'PostgreSQL refuses the connection: unrecognized configuration parameter "nonsense".'
    )


async def test_a_version_that_is_too_old_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "OLDEST_VERSION", 99)
    assert (await refusal_of(postgres_url)).startswith("PostgreSQL 99 or newer is needed; this server is ")


async def test_a_database_that_can_not_hold_all_text_is_refused(postgres_server: PostgresServer) -> None:
    postgres_server.run_sql("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    try:
        refusal = await refusal_of(postgres_server.url_of("ascii"))
    finally:
        postgres_server.drop_database("ascii")
    assert refusal.startswith("The database's encoding is SQL_ASCII")


async def test_the_session_is_set_up_for_one_statement_at_a_time(postgres_url: str) -> None:
    async with opened(postgres_url) as database:
        row = await database.read_row(
            "SELECT current_setting('transaction_isolation'), current_setting('statement_timeout'),"
            " current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'),"
            " current_setting('jit'), current_setting('application_name')"
        )
    assert tuple(row or ()) == ("read committed", "5s", "2s", "1s", "off", "sanctum-messaging")


async def test_of_several_hosts_the_one_that_is_there_serves(one: Instance, postgres_url: str) -> None:
    hosts = f"@127.0.0.1:{free_port()},127.0.0.1:"
    async with opened(postgres_url.replace("@127.0.0.1:", hosts)) as database:
        assert await database.read("SELECT 1")


async def test_a_standby_is_refused_and_passed_over(one: Instance, postgres_server: PostgresServer) -> None:
    with open_standby(postgres_server) as standby:
        assert "no host of the address is a primary" in await refusal_of(standby.url)
        both = postgres_server.url.replace("@", f"@127.0.0.1:{standby.port},", 1)
        async with opened(both) as database:
            assert not (await database.read("SELECT pg_is_in_recovery()"))[0][0]


async def test_a_database_that_takes_no_writes_wrote_nothing(
    one: Instance, clock: HandClock, postgres_url: str
) -> None:
    async with Observer.at(postgres_url) as observer:
        name = await observer.connection.fetchval("SELECT current_database()")
        await observer.connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    async with instance_at(postgres_url, clock) as instance:
        with pytest.raises(UnavailableError) as refused:
            await instance.arranged.create("ann", "bob")
        assert refused.value.code == "unavailable"
        assert (await instance.store.read_head()).position == 0


@pytest.mark.parametrize("settings", [{}, {"server_round_robin": "1"}])
async def test_a_pooler_that_shares_sessions_is_refused(
    one: Instance, postgres_url: str, settings: dict[str, str]
) -> None:
    for mode in ("transaction", "statement"):
        with open_pgbouncer(postgres_url, mode=mode, settings=settings) as url:
            for _ in range(3):
                assert "pooler in transaction mode" in await refusal_of(url)


async def test_a_pooler_in_session_mode_works(one: Instance, postgres_url: str, clock: HandClock) -> None:
    with open_pgbouncer(postgres_url, mode="session") as url:
        async with instance_at(url, clock) as first, instance_at(url, clock) as second:
            conversation = await first.arranged.create("ann", "bob")
            await second.arranged.send(conversation, "bob")
            assert (await first.store.read_head()).position == 2
