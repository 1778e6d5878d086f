"""Moving up as operators do it: stop, copy, start; whatever ends the copy in between."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import apsw
import msgspec
import pytest

from sanctum_messaging.adapters.sqlite.database import Database
from sanctum_messaging.adapters.sqlite.migrate import apply_migrations
from tests.e2e.client import Client
from tests.e2e.server import COMMAND, START_SECONDS, Service, clean_environ, run_sanctum

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.postgres import PostgresServer

MESSAGES = 20_000
"""Some seconds of copying."""
SEED = 20_261_123
LOOK_SECONDS = 0.01
KILLS = 4


def address_of(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.mark.parametrize("with_redis", [False, True], ids=["alone", "with redis"])
async def test_a_client_that_was_connected_goes_on_after_the_move(
    tmp_path: Path, postgres_url: str, request: pytest.FixtureRequest, *, with_redis: bool
) -> None:
    with Service(tmp_path) as service:
        tokens = {name: service.token(name, device="phone") for name in ("ann", "bob")}
        async with Client(service.base_url, tokens["ann"]) as ann, Client(service.base_url, tokens["bob"]) as bob:
            conversation_id = await ann.create("bob")
            created = await ann.post(
                "/v1/conversations", {"kind": "group", "participants": [], "title": "Twice"}, key="create"
            )
            async with bob.connect(cursor="0-00000000") as socket:
                await ann.send(conversation_id, "Seen", client_message_id="m-1")
                await socket.reach(await bob.read_end())
            await ann.send(conversation_id, "Missed while away", client_message_id="m-2")
            # A socket that is open when the service stops.
            async with bob.connect() as open_socket:
                await open_socket.reach(await bob.read_end())
                await ann.send(conversation_id, "Missed while it stopped", client_message_id="m-3")
                code, _ = service.stop()
                assert code == 0
            cursor = bob.session.cursor

        done = run_sanctum("copy", "--from", address_of(service.database_path), "--to", postgres_url)
        assert done.returncode == 0, done.stderr

        service.environ["DATABASE_URL"] = postgres_url
        if with_redis:
            service.environ["REDIS_URL"] = request.getfixturevalue("valkey_url")
        service.start()
        async with (
            Client(service.base_url, tokens["ann"]) as ann,
            Client(service.base_url, tokens["bob"], session=bob.session) as bob,
        ):
            again = await ann.send(conversation_id, "Missed while away", client_message_id="m-2")
            await ann.send(conversation_id, "After the move", client_message_id="m-4")
            repeated = await ann.post(
                "/v1/conversations", {"kind": "group", "participants": [], "title": "Twice"}, key="create"
            )
            async with bob.connect() as resumed:
                # Redis, which is empty, knows of no session; the client goes on from its own cursor all the same.
                assert resumed.welcome.resumed or with_redis
                assert resumed.welcome.cursor == cursor
                await resumed.reach(await bob.read_end())
    assert repeated.content == created.content
    assert repeated.headers["idempotent-replayed"] == "true"
    received = [
        msgspec.json.decode(each.data)["message"]
        for each in (*socket.events, *open_socket.events, *resumed.events)
        if each.type == "message.created"
    ]
    assert [each["body"] for each in received] == [
        "Seen",
        "Missed while away",
        "Missed while it stopped",
        "After the move",
    ]
    assert [each["seq"] for each in received] == [2, 3, 4, 5]
    assert again == received[1]
    assert not resumed.resyncs


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """Make a file that takes a while."""
    database = Database(tmp_path / "messaging.db")
    database.open()
    apply_migrations(database.writer)
    fill(database.writer)
    database.close()
    return database.path


def fill(connection: apsw.Connection) -> None:
    numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    with connection:
        connection.execute(
            f"{numbers} INSERT INTO message SELECT printf('m%09d', i), 'c', i, 'ann', 'phone', 'm' || i, 'text',"  # noqa: S608 - constants
            " 'Message ' || i, '{}', NULL, i, NULL, NULL, 1, 'hash' FROM n",
            (MESSAGES,),
        )
        connection.execute(
            f"{numbers} INSERT INTO event SELECT i, printf('%08x', i), 'default', 'c', i, 'message.created', 'ann', i,"  # noqa: S608 - constants
            " printf('m%09d', i), NULL, NULL FROM n",
            (MESSAGES,),
        )


class Copying:
    """``sanctum copy`` on its way."""

    def __init__(self, source: Path, server: PostgresServer, url: str) -> None:
        self._server = server
        self._database = url.rpartition("/")[2]
        self.process = subprocess.Popen(
            [COMMAND, "copy", "--from", address_of(source), "--to", url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environ(),
        )

    def wait_for(self, condition: str) -> None:
        """Wait until the database says yes, or the process is gone."""
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and self._server.run_sql(condition, database=self._database) != [["t"]]:
            assert time.monotonic() < deadline, condition
            time.sleep(LOOK_SECONDS)

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Send the signal; return the exit code and what was written to standard error."""
        self.process.send_signal(number)
        _, written = self.process.communicate(timeout=START_SECONDS)
        return self.process.returncode, written


def test_a_copy_that_is_killed_again_and_again_arrives_whole(
    big: Path, postgres_server: PostgresServer, migrated_url: str
) -> None:
    draw = random.Random(SEED)
    database = migrated_url.rpartition("/")[2]
    killed = 0
    for rows in sorted(draw.randrange(2 * MESSAGES) for _ in range(KILLS)):
        copying = Copying(big, postgres_server, migrated_url)
        copying.wait_for(f"SELECT coalesce((SELECT copied >= {rows} FROM copy_progress), false)")  # noqa: S608 - a number
        time.sleep(draw.uniform(0, 0.05))
        code, _ = copying.end(signal.SIGKILL)
        killed += code == -signal.SIGKILL
    assert killed == KILLS
    assert postgres_server.run_sql("SELECT count(*) FROM copy_progress", database=database) == [["1"]]
    served = run_sanctum("serve", "--dev", "--port", "0", environ={"DATABASE_URL": migrated_url})
    assert served.returncode == 2
    assert served.stderr.splitlines()[-1].startswith("sanctum: DATABASE_URL: it holds an unfinished copy")
    assert "Traceback" not in served.stderr

    done = run_sanctum("copy", "--from", address_of(big), "--to", migrated_url)

    assert done.returncode == 0, done.stderr
    for table in ("message", "event"):
        counted = postgres_server.run_sql(f"SELECT count(*) FROM {table}", database=database)  # noqa: S608 - names of ours
        assert counted == [[str(MESSAGES)]]


def test_ctrl_c_says_how_to_go_on(big: Path, postgres_server: PostgresServer, migrated_url: str) -> None:
    copying = Copying(big, postgres_server, migrated_url)
    copying.wait_for("SELECT coalesce((SELECT copied > 0 FROM copy_progress), false)")

    code, written = copying.end(signal.SIGINT)

    assert code == 130
    assert written.splitlines()[-1] == "sanctum: interrupted; run the same command to go on"
    assert "Traceback" not in written
    assert run_sanctum("copy", "--from", address_of(big), "--to", migrated_url).returncode == 0


def test_a_running_service_is_not_copied(tmp_path: Path, postgres_url: str) -> None:
    with Service(tmp_path) as service:
        refused = run_sanctum("copy", "--from", address_of(service.database_path), "--to", postgres_url)
        pid = service.pid

    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"in use by another process (pid {pid})" in refused.stderr
    assert refused.stderr.count("\n") == 1
