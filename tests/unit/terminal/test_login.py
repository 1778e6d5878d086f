from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from sanctum_messaging.cli import main
from sanctum_messaging.terminal.login import find_login
from sanctum_messaging.terminal.options import StartError

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "e30.eyJzdWIiOiJhbm4ifQ.c2ln"


def test_a_token_tells_whose_it_is() -> None:
    login = find_login("http://host/", token=TOKEN, user=None, data_dir=None)
    assert (login.url, login.user, login.token) == ("http://host", "ann", TOKEN)


def test_a_user_of_a_development_service_gets_tokens(tmp_path: Path) -> None:
    login = find_login("http://host", token=TOKEN, user="bob", data_dir=str(tmp_path))
    assert login.user == "bob"
    assert callable(login.token)
    assert find_login("http://host", token=login.token(), user=None, data_dir=None).user == "bob"


@pytest.mark.parametrize(
    ("url", "token", "user", "fault"),
    [
        ("ws://host", TOKEN, None, "--url"),
        ("http://host", None, None, "Say who calls"),
        ("http://host", "canary", None, "--token: it is no access token"),
        ("http://host", "a.!.c", None, "--token: it is no access token"),
        ("http://host", None, "", "sub must be"),
    ],
)
def test_what_is_of_no_use_is_said(tmp_path: Path, url: str, token: str | None, user: str | None, fault: str) -> None:
    with pytest.raises(StartError, match=fault):
        find_login(url, token=token, user=user, data_dir=str(tmp_path))


def test_a_user_without_the_service_s_data_directory_is_told_and_none_is_made(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    with pytest.raises(StartError, match="--data-dir"):
        find_login("http://host", token=None, user="bob", data_dir=str(elsewhere))
    assert not elsewhere.exists()


def test_each_user_of_each_service_has_an_outbox_of_his_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    ann = find_login("http://host", token=TOKEN, user=None, data_dir=None)
    other = find_login("http://other", token=TOKEN, user=None, data_dir=None)
    assert ann.outbox_folder == find_login("http://host/", token=TOKEN, user=None, data_dir=None).outbox_folder
    assert ann.outbox_folder != other.outbox_folder
    assert ann.outbox_folder.is_relative_to(tmp_path)


@pytest.mark.parametrize("arguments", [["tail"], ["chat"], ["send", "conversation", "text"]])
def test_a_command_without_a_caller_says_so(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments, env={"SANCTUM_TOKEN": None})
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("sanctum: Say who calls")
