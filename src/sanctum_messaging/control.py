"""The control socket: how a command on this machine reaches a service that has its database to itself.

A command is one line of JSON, and so is the answer. The socket is a file that only its owner can use, from the moment
it exists and whatever the rights on its folder.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
import structlog

from sanctum_messaging.domain.errors import SanctumError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

MAX_LINE_BYTES = 16 * 1024
"""Names have 255 characters at most; escaped, a command stays far below this."""
MAX_CONVERSATIONS = 8
SERVE_SECONDS = 10.0
"""What one conversation may take, of which a commit is nearly all."""
ASK_SECONDS = 15.0

_log = structlog.get_logger()


class Revoke(msgspec.Struct, frozen=True, tag_field="command", tag="revoke", forbid_unknown_fields=True):
    """Withdraw tokens; returns once it is stored and in force. ``kind`` is a ``RevocationKind``."""

    tenant: str
    kind: str
    value: str


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Without a refusal, it was done."""

    refusal: str | None = None


class NotServedError(Exception):
    """Nobody listens there, or not to us."""


class CommandRefusedError(Exception):
    """The service did not do it, or did not say so; the sentence tells why."""


def socket_beside(database: Path) -> Path:
    """Name the socket of the service that has this database: two that share a folder have one each."""
    return database.with_name(f"{database.name}.control")


@asynccontextmanager
async def open_control(path: Path, perform: Callable[[Revoke], Awaitable[None]]) -> AsyncGenerator[None]:
    """Take commands while the body runs; where no socket can be made, warn, and serve without it.

    ``perform`` raises SanctumError for what it refuses.
    """
    try:
        listener = _bind(path)
    except OSError as error:
        _log.warning("control_socket_unavailable", path=str(path), reason=error.strerror or str(error))
        yield
        return
    try:
        async with _Conversations(perform).running(listener):
            yield
    finally:
        _remove(path)


def ask(path: Path, command: Revoke) -> None:
    """Have the service that listens do something, and wait until it is done.

    Raises:
        NotServedError: nobody listens.
        CommandRefusedError: it was not done, or perhaps not.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ASK_SECONDS)
        try:
            connection.connect(str(path))
        except OSError as error:
            raise NotServedError(error.strerror or str(error)) from error
        try:
            connection.sendall(msgspec.json.encode(command) + b"\n")
            line = connection.makefile("rb").readline(MAX_LINE_BYTES)
            refusal = msgspec.json.decode(line, type=Answer).refusal
        except (OSError, msgspec.DecodeError) as error:
            raise CommandRefusedError("the service gave no answer; repeat the command") from error
    if refusal is not None:
        raise CommandRefusedError(refusal)


class _Conversations:
    """Those who are connected, each with a task of its own that is over in a bounded time."""

    def __init__(self, perform: Callable[[Revoke], Awaitable[None]]) -> None:
        self._perform = perform
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_over = False

    @asynccontextmanager
    async def running(self, listener: socket.socket) -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as group:

            def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                # Who was accepted just before the end may get here after it.
                if self._is_over or len(self._tasks) >= MAX_CONVERSATIONS:
                    writer.close()
                    return
                task = group.create_task(self._serve(reader, writer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                # Not by the task itself: it may be cancelled before it begins.
                task.add_done_callback(lambda _: writer.close())

            server = await asyncio.start_unix_server(begin, sock=listener, limit=MAX_LINE_BYTES)
            try:
                yield
            finally:
                self._is_over = True
                server.close()
                for task in self._tasks:
                    task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SERVE_SECONDS):
                answer = await self._answer(reader)
                writer.write(msgspec.json.encode(answer) + b"\n")
                await writer.drain()
        except (TimeoutError, OSError):
            _log.warning("control_conversation_lost")

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        try:
            command = msgspec.json.decode(await reader.readline(), type=Revoke)
        except (ValueError, msgspec.DecodeError):
            return Answer("it is no command that this version knows")
        try:
            await self._perform(command)
        except SanctumError as error:
            return Answer(error.detail)
        except Exception:  # noqa: BLE001 - the barrier: a command that fails must not end the service
            _log.exception("control_command_failed")
            return Answer("the command failed; the log of the service has the reason")
        return Answer()


def _bind(path: Path) -> socket.socket:
    """Make the socket; what a killed service left behind is replaced."""
    if _is_socket(path):
        if _is_heard(path):
            raise OSError("another service listens on it")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX)
    # Set when the file is made: a change of its rights afterwards would come too late.
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _remove(path: Path) -> None:
    """Take the socket away, or leave it to the next start where the folder can't be changed any more."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("control_socket_left_behind", path=str(path), reason=error.strerror)


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _is_heard(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
