"""What the command says, and with which code it ends."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from sanctum_messaging.adapters.sqlite.database import take_lock
from sanctum_messaging.cli import main
from tests.integration.copying.running import run_in_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.integration.copying.embedded_installation import Embedded
    from tests.servers.postgres import PostgresServer


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Find a port at which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


def run_copy(source: object, target: str) -> Result:
    address = f"sqlite:///{source}" if not isinstance(source, str) else source
    return CliRunner().invoke(main, ["copy", "--from", address, "--to", target])


def assert_refused(result: Result, *words: str) -> None:
    """Check that there is one line, that it holds these words, and that nothing else came."""
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.startswith("sanctum: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_a_copy_says_what_it_did_and_what_comes_next(embedded: Embedded, postgres_url: str) -> None:
    result = run_copy(embedded.path, postgres_url)

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines if "sha256" in line][1:6] == [
        "conversation",
        "participant",
        "membership",
        "message",
        "event",
    ]
    assert "set DATABASE_URL" in lines[-2]
    assert "never serve it again" in lines[-1]
    phases = [line.split(",")[0] for line in result.stderr.splitlines()]
    assert phases[0].startswith("copying   0 %")
    assert phases[-1].startswith("verifying 100 %")


def test_a_database_that_holds_something_is_refused(embedded: Embedded, postgres_url: str) -> None:
    assert run_copy(embedded.path, postgres_url).exit_code == 0

    assert_refused(run_copy(embedded.path, postgres_url), "--to: it holds this installation already")


def test_a_copy_that_can_go_on_says_so(embedded: Embedded, migrated_url: str) -> None:
    run_in_file(embedded.path, "UPDATE message SET body = 'a' || char(0) WHERE seq = 2")

    result = run_copy(embedded.path, migrated_url)

    assert (result.exit_code, result.stdout) == (1, "")
    last = result.stderr.splitlines()[-1]
    assert last.startswith("sanctum: table message: the row with the key")
    assert last.endswith("run the same command to go on")


def test_a_copy_that_differs_says_to_begin_again(
    embedded: Embedded, postgres_server: PostgresServer, migrated_url: str
) -> None:
    database = migrated_url.rpartition("/")[2]
    # What writes to a database behind the copy's back: here, a trigger.
    postgres_server.run_sql(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.tag := 'ffffffff'; RETURN NEW; END$$",
        database=database,
    )
    postgres_server.run_sql(
        "CREATE TRIGGER spoil BEFORE INSERT ON event FOR EACH ROW WHEN (NEW.position = 5) EXECUTE FUNCTION spoil()",
        database=database,
    )

    result = run_copy(embedded.path, migrated_url)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "in table event the row with the key [5] differs" in result.stderr.splitlines()[-1]
    assert "begin again with an empty database" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("postgresql://host/name", "sqlite:///file", "--from: must begin with sqlite:///"),
        ("sqlite:///one", "sqlite:///two", "--to: must begin with postgresql://"),
        ("postgresql://host/one", "postgresql://host/two", "--from: must begin with sqlite:///"),
        ("file.db", "postgresql://host/name", "--from: must begin with sqlite:///"),
        ("sqlite:///", "postgresql://host/name", "--from: must be sqlite:///path"),
        ("sqlite:///:memory:", "postgresql://host/name", "--from: must be sqlite:///path"),
        ("sqlite:///file", "postgresql+asyncpg://host/name", "--to: must begin with postgresql://"),
        ("sqlite:///file", "postgresql://ho st/name", "--to: must be an address without spaces"),
        ("", "", "--from: must begin with sqlite:///"),
    ],
)
def test_addresses_of_the_wrong_kind_are_refused(source: str, target: str, words: str) -> None:
    assert_refused(run_copy(source, target), words)


def test_a_missing_file_is_not_made(tmp_path: Path, postgres_url: str) -> None:
    assert_refused(run_copy(tmp_path / "messaging.db", postgres_url), "--from: there is no file")
    assert_refused(run_copy(tmp_path, postgres_url), "--from: there is no file")

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_a_service_has_open_is_refused(embedded: Embedded, postgres_url: str) -> None:
    with open(take_lock(embedded.path)):  # noqa: PTH123 # It closes the descriptor.
        assert_refused(run_copy(embedded.path, postgres_url), "--from: ", "in use by another process", "stop it first")


@pytest.mark.parametrize("content", [b"", b"Dear diary, this is no database at all." * 100])
def test_a_file_of_something_else_is_refused(tmp_path: Path, postgres_url: str, content: bytes) -> None:
    path = tmp_path / "messaging.db"
    path.write_bytes(content)

    assert_refused(run_copy(path, postgres_url), "--from: ", str(path))

    assert path.read_bytes() == content


def test_a_file_of_an_older_version_is_refused(embedded: Embedded, postgres_url: str) -> None:
    run_in_file(embedded.path, "DELETE FROM migration")

    assert_refused(run_copy(embedded.path, postgres_url), "lacks 0001_initial.sql", "`sanctum migrate`")


def test_a_file_of_a_newer_version_is_refused(embedded: Embedded, postgres_url: str) -> None:
    run_in_file(embedded.path, "INSERT INTO migration VALUES (9999, 'later', 'x', 1)")

    assert_refused(run_copy(embedded.path, postgres_url), "made by a newer version")


def test_a_server_that_is_not_there_is_refused(embedded: Embedded, silent_port: int) -> None:
    result = run_copy(embedded.path, f"postgresql://user:canary@127.0.0.1:{silent_port}/name")

    assert_refused(result, "--to: PostgreSQL can't be reached")
    assert "canary" not in result.output


def test_a_database_that_is_not_there_is_refused(embedded: Embedded, postgres_server: PostgresServer) -> None:
    postgres_server.revive()

    assert_refused(run_copy(embedded.path, postgres_server.url_of("nowhere")), "--to: PostgreSQL refuses", "nowhere")


def test_an_address_that_is_none_is_told_by_the_name_of_its_option(embedded: Embedded) -> None:
    result = run_copy(embedded.path, "postgresql://host:port/name")

    assert_refused(result, "--to: must be an address such as")


def test_a_database_of_a_newer_version_is_refused(
    embedded: Embedded, postgres_server: PostgresServer, migrated_url: str
) -> None:
    statement = "INSERT INTO migration (number, name, checksum, runs_with, applied_at) VALUES (9999, 'x', 'x', 9999, 1)"
    postgres_server.run_sql(statement, database=migrated_url.rpartition("/")[2])

    assert_refused(run_copy(embedded.path, migrated_url), "--to: ", "made by a newer version")


def test_both_addresses_are_asked_for() -> None:
    result = CliRunner().invoke(main, ["copy", "--from", "sqlite:///file"])

    assert result.exit_code == 2
    assert "--to" in result.stderr


def test_a_source_that_cannot_be_looked_for_is_refused(tmp_path: Path) -> None:
    """As in the folder of a service, for everybody but its user; a name that is too long is so for everybody."""
    source = tmp_path / ("x" * 300) / "messaging.db"

    assert_refused(run_copy(f"sqlite:///{source}", "postgresql://127.0.0.1:1/none"), "--from: ", "File name too long")
