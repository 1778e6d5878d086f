"""``sanctum chat``, ``send`` and ``tail`` as they are typed, while the service is killed and started again."""

from __future__ import annotations

import asyncio
import json
import signal
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sanctum_messaging.client import Client, Event, MessageEvent, SendMessage
from tests.e2e.server import COMMAND, Service, clean_environ

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, Iterator

PATIENCE_SECONDS = 60
BEGINNING = "0-00000000"


@asynccontextmanager
async def run(service: Service, *words: str, user: str) -> AsyncGenerator[Process]:
    """Start a command for a user; it keeps what it has to keep beside the service's data."""
    environ = {
        "SANCTUM_TOKEN": service.token(user, device="terminal"),
        "SANCTUM_URL": service.base_url,
        "XDG_STATE_HOME": str(service.data_dir / "state"),
        "PYTHONUNBUFFERED": "1",
    }
    process = await asyncio.create_subprocess_exec(COMMAND, *words, stdin=PIPE, stdout=PIPE, env=clean_environ(environ))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def read_line(process: Process, text: str = "") -> str:
    """Read on to the next line that holds a text."""
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode():
        if text in line:
            return line
    raise AssertionError(f"it ended without {text!r}")


def type_lines(process: Process, *lines: str) -> None:
    assert process.stdin is not None
    process.stdin.write("".join(f"{line}\n" for line in lines).encode())


async def read_stream(client: Client, count: int) -> list[Event]:
    events = []
    async for happening in client.events():
        if isinstance(happening, Event):
            events.append(happening)
            if len(events) == count:
                client.taken(happening)
                return events
    raise AssertionError("the stream ended")


def said(line: str) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(line)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


async def test_a_chat_in_the_terminal(service: Service) -> None:
    async with run(service, "chat", user="bob") as chat, run(service, "tail", "--from", BEGINNING, user="ann") as tail:
        type_lines(chat, "/new Lunch ann", "Hello")
        created = said(await read_line(tail))
        assert (created["type"], created["data"]["conversation"]["title"]) == ("conversation.created", "Lunch")
        hello = said(await read_line(tail))
        assert hello["data"]["message"]["body"] == "Hello"
        async with run(service, "send", created["conversationId"], "from the shell", user="ann") as shell:
            sent = said(await read_line(shell))
            assert await shell.wait() == 0
        assert said(await read_line(tail))["data"]["message"] == sent
        await read_line(chat, "ann: from the shell")
        type_lines(chat, "/quit")
        assert await chat.wait() == 0
        tail.send_signal(signal.SIGTERM)
        assert await tail.wait() == 128 + signal.SIGTERM


async def test_a_client_loses_and_doubles_nothing_over_a_kill(service: Service) -> None:
    def client(user: str) -> Client:
        return Client(service.base_url, token=service.token(user), cursor=BEGINNING, draw=lambda *_: 0.05)

    async with asyncio.timeout(PATIENCE_SECONDS), client("eve") as eve, client("zoe") as zoe:
        conversation_id = (await eve.create_conversation(["zoe"])).id
        sends = [await eve.submit(SendMessage(conversation_id, f"m-{number}", str(number))) for number in range(100)]
        heard = await read_stream(zoe, 20)
        await asyncio.to_thread(service.kill)
        await asyncio.to_thread(service.start)
        messages = [await sending for sending in sends]
        assert [message.body for message in messages] == [str(number) for number in range(100)]
        heard += await read_stream(zoe, 81)
        assert [event.seq for event in heard] == list(range(1, 102))
        assert [each.id for each in messages] == [each.message.id for each in heard if isinstance(each, MessageEvent)]


@pytest.mark.chaos
async def test_the_terminal_over_a_kill(service: Service) -> None:
    async with (
        run(service, "chat", user="fay") as chat,
        run(service, "tail", "--from", BEGINNING, user="gus") as tail,
    ):
        type_lines(chat, "/new Lunch gus", "Hello")
        conversation_id = said(await read_line(tail))["conversationId"]
        await read_line(tail, "Hello")
        await asyncio.to_thread(service.kill)
        type_lines(chat, "while away")
        async with run(service, "send", conversation_id, "from the shell", user="gus") as shell:
            await asyncio.to_thread(service.start)
            assert await shell.wait() == 0
        bodies = {said(await read_line(tail))["data"]["message"]["body"] for _ in range(2)}
        assert bodies == {"while away", "from the shell"}
        await read_line(chat, "gus: from the shell")
