"""What the commands of an administrator refuse, and what they say."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from sanctum_messaging.adapters.sqlite.database import Database
from sanctum_messaging.adapters.sqlite.migrate import apply_migrations
from sanctum_messaging.cli import main
from sanctum_messaging.config import VARIABLES
from sanctum_messaging.control import open_control, socket_beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.servers.postgres import PostgresServer


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)
    monkeypatch.setattr("sanctum_messaging.observability.logging.configure_logging", lambda *_, **__: None)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Make an installation that nobody serves."""
    database = Database(tmp_path / "messaging.db")
    database.open()
    apply_migrations(database.writer)
    database.close()
    return tmp_path


@pytest.fixture
def served(data_dir: Path) -> Iterator[Path]:
    """Let a process have the database that listens to nobody."""
    database = Database(data_dir / "messaging.db")
    database.open()
    yield data_dir
    database.close()


def sanctum(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("user", "Revoked: all tokens of the user x that were issued until now, in tenant acme. "),
        ("session", "Revoked: all tokens of the session x, in tenant acme. "),
        ("token", "Revoked: the token x, in tenant acme. "),
    ],
)
def test_it_says_what_was_revoked_and_from_when_on(data_dir: Path, kind: str, said: str) -> None:
    result = sanctum("revoke", f"--{kind}", "x", "--tenant", "acme", "--data-dir", str(data_dir))

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(said)
    assert "in force from its next start on" in result.stdout


@pytest.mark.parametrize("arguments", [[], ["--user", "a", "--session", "b"], ["--user", "a", "--token", "b"]])
def test_exactly_one_is_named(data_dir: Path, arguments: list[str]) -> None:
    result = sanctum("revoke", *arguments, "--data-dir", str(data_dir))

    assert result.exit_code == 2
    assert "either --user, --session or --token" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--user", ""], "--user: must be 1 to 255 characters"),
        (["--user", "x" * 256], "--user: must be 1 to 255 characters"),
        (["--token", "a\nb"], "--token: must be 1 to 255 characters"),
        (["--user", "ann", "--tenant", ""], "--tenant: must be 1 to 255 characters"),
        (["--session", "-"], "--session: stands for all tokens that name no session"),
    ],
)
def test_what_names_nobody_is_refused(data_dir: Path, arguments: list[str], said: str) -> None:
    result = sanctum("revoke", *arguments, "--data-dir", str(data_dir))

    assert result.exit_code == 2
    assert result.stderr.startswith(f"sanctum: {said}")


@pytest.mark.parametrize("command", [["revoke", "--user", "ann"], ["audit"]])
def test_no_database_is_made_where_there_is_none(tmp_path: Path, command: list[str]) -> None:
    result = sanctum(*command, "--data-dir", str(tmp_path))

    assert result.exit_code == 2
    assert "there is no file" in result.stderr
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - names are enough


@pytest.mark.parametrize("command", [["migrate"], ["migrate", "--check"], ["revoke", "--user", "ann"], ["audit"]])
def test_a_file_that_is_no_database_is_one_line(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "messaging.db").write_bytes(b"x" * 8_192)

    result = sanctum(*command, "--data-dir", str(tmp_path))

    assert result.exit_code == 2
    assert result.stderr.startswith("sanctum: DATABASE_URL: ")
    assert result.stderr.endswith(f"{tmp_path / 'messaging.db'}: file is not a database\n")


@pytest.mark.parametrize("command", [["migrate"], ["revoke", "--user", "ann"]])
def test_what_cannot_be_opened_is_named(data_dir: Path, command: list[str]) -> None:
    """As a lock file that somebody else has made, who had a command do something while no service ran."""
    (data_dir / "messaging.db.lock").unlink()
    (data_dir / "messaging.db.lock").mkdir()

    result = sanctum(*command, "--data-dir", str(data_dir))

    said = f"sanctum: DATABASE_URL: can't open {data_dir / 'messaging.db.lock'}: Is a directory\n"
    assert (result.exit_code, result.stderr) == (2, said)


@pytest.mark.parametrize(
    "command", [["migrate"], ["migrate", "--check"], ["revoke", "--user", "ann"], ["audit"], ["serve", "--dev"]]
)
def test_a_folder_that_cannot_be_looked_into_is_one_line(tmp_path: Path, command: list[str]) -> None:
    """As the folder of a service is for everybody but its user; a name that is too long is so for everybody."""
    result = sanctum(*command, "--data-dir", str(tmp_path / ("x" * 300)))

    assert result.exit_code == 2
    assert result.stderr.startswith("sanctum: DAT")
    assert "File name too long" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_service_that_cannot_be_reached_is_told(served: Path) -> None:
    result = sanctum("revoke", "--user", "ann", "--data-dir", str(served))

    assert result.exit_code == 2
    assert f"in use by another process (pid {os.getpid()})" in result.stderr
    assert f"its control socket {served / 'messaging.db.control'} can't be used" in result.stderr


async def test_the_service_of_another_file_in_the_folder_is_not_asked(data_dir: Path) -> None:
    """It would revoke its own user of that name, and the command would say that it is done."""

    async def perform(_command: object) -> None:
        pytest.fail("the other service was asked")

    async with open_control(socket_beside(data_dir / "other.db"), perform):
        result = await asyncio.to_thread(sanctum, "revoke", "--user", "ann", "--data-dir", str(data_dir))

    assert result.exit_code == 0, result.output
    assert "No service runs on this database" in result.stdout


def test_a_time_that_is_none_is_refused(data_dir: Path) -> None:
    result = sanctum("audit", "--since", "yesterday", "--data-dir", str(data_dir))

    assert result.exit_code == 2
    assert "--since: must be a time such as" in result.stderr


def test_a_file_of_an_older_version_has_no_audit_log(tmp_path: Path) -> None:
    (tmp_path / "messaging.db").touch()

    result = sanctum("audit", "--data-dir", str(tmp_path))

    assert result.exit_code == 2
    assert "no such table: audit" in result.stderr


def test_on_postgresql_it_is_written_and_read_there(
    postgres_server: PostgresServer, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    name = migrated_url.rpartition("/")[2]
    columns = "at, id, tenant, bearer, session, action, request_id"
    values = "1767225600000, 'id-1', 'acme', 'backend', 's1', 'send', ''"
    postgres_server.run_sql(f"INSERT INTO audit ({columns}) VALUES ({values})", database=name)  # noqa: S608 - as above

    revoked = sanctum("revoke", "--user", "ann")
    read, later = sanctum("audit", "--since", "2026-01-01"), sanctum("audit", "--since", "2026-01-01T00:00:01+00:00")

    assert revoked.exit_code == 0, revoked.output
    assert "In force on every instance within 1 s" in revoked.stdout
    assert read.exit_code == 0, read.output
    assert json.loads(read.stdout.splitlines()[-1]) == {
        "at": "2026-01-01T00:00:00.000Z",
        "tenant": "acme",
        "bearer": "backend",
        "actAs": None,
        "tokenId": None,
        "session": "s1",
        "address": None,
        "action": "send",
        "requestId": "",
        "id": "id-1",
    }
    assert '"id-1"' not in later.stdout
