"""The control socket: who may use it, and what it survives."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging import control
from sanctum_messaging.control import CommandRefusedError, NotServedError, Revoke, ask, open_control
from sanctum_messaging.domain.errors import UnavailableError
from tests.log_lines import logged

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

COMMAND = Revoke("default", "user", "ann")


class Service:
    """What commands reach."""

    def __init__(self) -> None:
        self.performed: list[Revoke] = []
        self.failure: Exception | None = None

    async def perform(self, command: Revoke) -> None:
        if self.failure is not None:
            raise self.failure
        self.performed.append(command)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@asynccontextmanager
async def listening(path: Path) -> AsyncGenerator[Service]:
    service = Service()
    async with open_control(path, service.perform):
        yield service


async def told(path: Path, command: Revoke = COMMAND) -> None:
    await asyncio.to_thread(ask, path, command)


async def say(path: Path, line: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line)
    answer = await reader.readline()
    writer.close()
    return answer


async def test_a_command_is_done_on_return(path: Path) -> None:
    async with listening(path) as service:
        await told(path)
        assert service.performed == [COMMAND]


async def test_only_the_owner_may_use_it_from_the_moment_it_is_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with a careless umask: a change of the rights after the file was made would leave a gap."""
    monkeypatch.setattr(os, "chmod", lambda *_, **__: pytest.fail("too late"))
    before = os.umask(0)
    try:
        async with listening(path):
            assert mode_of(path) == 0o600
        assert os.umask(0) == 0, "the umask is what it was"
    finally:
        os.umask(before)


async def test_it_is_gone_with_the_service(path: Path) -> None:
    async with listening(path):
        pass
    with pytest.raises(NotServedError, match="No such file"):
        await told(path)


async def test_a_folder_that_can_no_longer_be_changed_keeps_nobody_from_stopping(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system that its system has made read-only after a fault of the disk."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with logged() as lines:
        async with listening(path):
            monkeypatch.setattr(Path, "unlink", refuse)
        assert [each["path"] for each in lines.of("control_socket_left_behind")] == [str(path)]


async def test_what_a_killed_service_left_behind_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    with pytest.raises(NotServedError, match="refused"):
        await told(path)

    async with listening(path) as service:
        await told(path)
        assert service.performed == [COMMAND]


async def test_another_service_s_socket_is_left_alone(path: Path) -> None:
    async with listening(path) as first:
        async with listening(path):
            await told(path)
        await told(path)
        assert len(first.performed) == 2


def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("dear diary")

    async def serve() -> None:
        async with listening(path):
            pass

    asyncio.run(serve())
    assert path.read_text() == "dear diary"


async def test_a_path_that_is_too_long_for_a_socket_is_served_without(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120) / "control.sock"
    path.parent.mkdir()
    async with listening(path):
        with pytest.raises(NotServedError, match="too long"):
            await told(path)


async def test_a_refusal_is_told(path: Path) -> None:
    async with listening(path) as service:
        service.failure = UnavailableError("The database does not take this now.")
        with pytest.raises(CommandRefusedError, match="does not take this now"):
            await told(path)


async def test_a_failure_ends_neither_the_service_nor_its_secrets(path: Path) -> None:
    async with listening(path) as service:
        service.failure = RuntimeError("canary")
        with pytest.raises(CommandRefusedError, match="log of the service") as refused:
            await told(path)
        assert "canary" not in str(refused.value)
        service.failure = None
        await told(path)


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b"\xff\xfe\n",
        b"[]\n",
        b'{"command":"stop"}\n',
        b'{"command":"revoke","tenant":"t","kind":"user"}\n',
        b'{"command":"revoke","tenant":"t","kind":"user","value":1}\n',
        b'{"command":"revoke","tenant":"t","kind":"user","value":"v","more":1}\n',
        b"x" * (control.MAX_LINE_BYTES + 1) + b"\n",
    ],
)
async def test_what_is_no_command_is_refused(path: Path, line: bytes) -> None:
    async with listening(path) as service:
        assert b"no command" in await say(path, line)
        await told(path)
        assert service.performed == [COMMAND]


async def test_no_more_than_a_few_are_heard_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "MAX_CONVERSATIONS", 1)
    async with listening(path):
        reader, writer = await asyncio.open_unix_connection(path)
        with pytest.raises(CommandRefusedError, match="repeat the command"):
            await told(path)
        writer.close()
        await reader.read()


async def test_who_says_nothing_keeps_nobody_from_stopping(path: Path) -> None:
    async with listening(path):
        reader, writer = await asyncio.open_unix_connection(path)
        await told(path)  # Whoever comes later is accepted later.
    assert await reader.read() == b""
    writer.close()
