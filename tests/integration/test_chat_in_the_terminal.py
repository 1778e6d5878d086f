"""What ``sanctum chat`` shows of what is typed and what happens, without a terminal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import pytest
import pytest_asyncio

from sanctum_messaging.client import Client, outbox
from sanctum_messaging.terminal.chat import HELP, Chat
from tests.e2e.in_process import Here, serve_here

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

PATIENCE_SECONDS = 40

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Here]:
    async with serve_here(tmp_path_factory.mktemp("service")) as here:
        yield here


class Screen:
    """Types lines, and waits for what is shown."""

    def __init__(self, client: Client, conversation_id: str | None = None) -> None:
        self.shown: list[str] = []
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._seen = 0
        chat = Chat(client, self._show)
        self._running = asyncio.ensure_future(chat.run(self._read(), conversation_id))

    async def see(self, text: str) -> str:
        """Wait until something new that holds a text is shown."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                while self._seen < len(self.shown):
                    self._seen += 1
                    if text in self.shown[self._seen - 1]:
                        return self.shown[self._seen - 1]
                self._changed.clear()
                await self._changed.wait()

    def type(self, *lines: str) -> Self:
        for line in lines:
            self._lines.put_nowait(line)
        return self

    async def leave(self) -> None:
        self.type("/quit")
        await self._running

    def _show(self, text: str) -> None:
        self.shown.append(text)
        self._changed.set()

    async def _read(self) -> AsyncGenerator[str]:
        while (line := await self._lines.get()) is not None:
            yield line


def client(here: Here, user: str) -> Client:
    return Client(here.base_url, token=here.token(user))


async def test_two_talk(here: Here) -> None:
    async with client(here, "ann") as ann, client(here, "bob") as bob:
        first, second = Screen(ann), Screen(bob)
        await first.see("You are in no conversation")
        await second.see("You are in no conversation")
        first.type("hello?", "/open 7", "/new", "/add bob", "/more", "/what")
        await first.see("no conversation is open")
        await first.see("/open NUMBER, one of /list")
        await first.see("/new TITLE")
        await first.see("/add USER")
        await first.see(HELP)

        first.type("/new Lunch bob", "Soup?")
        await second.see("ann created Lunch")
        await second.see("ann: Soup?")
        second.type("/list", "/open 1")
        await second.see("1 Lunch (1 unread)")
        await second.see("ann: Soup?")
        second.type("Yes.")
        await first.see("bob: Yes.")
        assert not [text for text in first.shown if "ann: Soup?" in text], "it stands there, because it was typed"

        first.type("/add carl")
        await second.see("-- carl was added by ann --")
        second.type("x" * 8_001)
        await second.see("invalid: body: too_long.")
        first.type("/new Dinner bob", "Fish?")
        await second.see("] -- ann created Dinner --")
        await second.see("] ")
        await first.leave()
        await second.leave()


async def test_what_was_said_before_is_shown_by_pages(here: Here) -> None:
    async with client(here, "eve") as eve:
        conversation_id = (await eve.create_conversation([], title="Long")).id
        for number in range(25):
            await eve.send(conversation_id, f"number {number}")
    async with client(here, "eve") as eve:
        screen = Screen(eve, conversation_id)
        await screen.see("/more for what was said before")
        await screen.see("number 24")
        assert not [text for text in screen.shown if text.endswith("number 4")]
        screen.type("/more")
        await screen.see("number 4")
        await screen.leave()


async def test_more_lines_than_may_wait_all_go_out(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_PENDING", 2)
    async with client(here, "fay") as fay, client(here, "gus") as gus:
        conversation_id = (await fay.create_conversation(["gus"])).id
        other = Screen(gus, conversation_id)
        await other.see(conversation_id)
        screen = Screen(fay, conversation_id).type(*(f"line {number}" for number in range(9)))
        await screen.leave()
        for number in range(9):
            await other.see(f"fay: line {number}")
        await other.leave()


async def test_one_that_is_not_there_is_said(here: Here) -> None:
    async with client(here, "eve") as eve:
        screen = Screen(eve, "nowhere")
        await screen.see("-- not_found")
        await screen.leave()
