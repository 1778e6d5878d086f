"""``sanctum chat``: a conversation in the terminal."""

from __future__ import annotations

import asyncio
import sys
import uuid
from typing import TYPE_CHECKING

import click

from sanctum_messaging.client import (
    Client,
    ConversationResource,
    Event,
    FileOutbox,
    MessageEvent,
    Messages,
    OutboxFull,
    Refused,
    Resync,
    SanctumError,
    SendMessage,
    Unreachable,
)
from sanctum_messaging.terminal.lines import read_lines
from sanctum_messaging.terminal.running import StateLine, run_client
from sanctum_messaging.terminal.screen import clean, write_event, write_list, write_message, write_title

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sanctum_messaging.client import ConversationItem, Sending
    from sanctum_messaging.terminal.login import Login

HELP = """\
A line goes to the conversation that is open. Lines that begin with / are commands:
  /list              your conversations
  /open NUMBER       open one of them
  /new TITLE USER…   make one with others
  /add USER          add somebody to the open one
  /more              what was said before
  /quit              leave; what was not sent goes out the next time"""
PAGE = 20
CLOSING_SECONDS = 5
"""How long what was typed last may take to go out when the input ends."""


def chat(login: Login, conversation_id: str | None) -> None:
    """Talk until the input ends, or until told to stop."""
    run_client(_chat(login, conversation_id))


async def _chat(login: Login, conversation_id: str | None) -> None:
    outbox = FileOutbox(login.outbox_folder)
    async with Client(login.url, token=login.token, outbox=outbox, on_state=StateLine()) as client:
        await Chat(client, click.echo).run(read_lines(sys.stdin), conversation_id)


class Chat:
    """One open conversation, and what happens in the others."""

    def __init__(self, client: Client, show: Callable[[str], object]) -> None:
        self._client = client
        self._show = show
        self._listed: list[ConversationItem] = []
        self._open: ConversationResource | None = None
        self._oldest = 0
        self._messages = Messages()
        self._watching: list[asyncio.Task[None]] = []
        self._typed: set[str] = set()
        """The client message ids of what stands on the screen already, because it was typed here."""
        self._commands: dict[str, Callable[[list[str]], Awaitable[None]]] = {
            "/list": self._list,
            "/open": self._open_listed,
            "/new": self._create,
            "/add": self._add,
            "/more": self._show_more,
        }

    async def run(self, lines: AsyncIterator[str], conversation_id: str | None) -> None:
        """Take lines until they end or one says so; meanwhile show what happens."""
        async with asyncio.TaskGroup() as tasks:
            self._watching = [tasks.create_task(self._show_all())]
            for sending in self._client.unsent:
                self._watch(sending, tasks)
            await self._attempt(self._begin(conversation_id))
            async for line in lines:
                if line.strip() == "/quit":
                    break
                await self._attempt(self._take(line, tasks))
            await self._wait_for_unsent()
            for task in self._watching:
                task.cancel()

    async def _begin(self, conversation_id: str | None) -> None:
        self._show("/help tells what can be done here.")
        await self._client.connected()
        if conversation_id is not None:
            await self._show_conversation(await self._client.get_conversation(conversation_id))
            return
        await self._list([])
        if len(self._listed) == 1:
            await self._show_conversation(self._listed[0])

    async def _attempt(self, act: Awaitable[None]) -> None:
        try:
            await act
        except (Refused, Unreachable) as error:
            self._show(f"-- {clean(str(error))} --")

    async def _take(self, line: str, tasks: asyncio.TaskGroup) -> None:
        command, *words = line.split() or [""]
        if command in self._commands:
            await self._commands[command](words)
        elif command.startswith("/"):
            self._show(HELP)
        elif self._open is None:
            self._show("-- no conversation is open: /open NUMBER --")
        elif command:
            self._watch(await self._submit(self._open.id, line), tasks)

    async def _submit(self, conversation_id: str, line: str) -> Sending:
        """Have a line sent; while as many wait as may, no more are read."""
        message = SendMessage(conversation_id=conversation_id, client_message_id=uuid.uuid4().hex, body=line)
        self._typed.add(message.client_message_id)
        while True:
            try:
                return await self._client.submit(message)
            except OutboxFull:
                await asyncio.gather(*self._client.unsent[:1], return_exceptions=True)

    def _watch(self, sending: Sending, tasks: asyncio.TaskGroup) -> None:
        self._watching = [task for task in self._watching if not task.done()]
        self._watching.append(tasks.create_task(self._see_through(sending)))

    async def _see_through(self, sending: Sending) -> None:
        try:
            await sending
        except SanctumError as error:
            self._show(f"-- not sent: {clean(sending.message.body)} ({clean(str(error))}) --")

    async def _wait_for_unsent(self) -> None:
        """Give what was typed last a moment to go out; what does not is kept for the next time."""
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await asyncio.gather(*self._client.unsent, return_exceptions=True)
        except TimeoutError:
            self._show(f"-- {len(self._client.unsent)} not sent yet; the next time --")

    async def _list(self, _: list[str]) -> None:
        self._listed = (await self._client.list_conversations()).conversations
        self._show(write_list(self._listed))

    async def _open_listed(self, words: list[str]) -> None:
        number = int(words[0]) if words and words[0].isdecimal() else 0
        if not 0 < number <= len(self._listed):
            self._show("-- /open NUMBER, one of /list --")
            return
        await self._show_conversation(self._listed[number - 1])

    async def _create(self, words: list[str]) -> None:
        if not words:
            self._show("-- /new TITLE USER… --")
            return
        key = uuid.uuid4().hex
        await self._show_conversation(await self._client.create_conversation(words[1:], title=words[0], key=key))

    async def _add(self, words: list[str]) -> None:
        if self._open is None or not words:
            self._show("-- /add USER, to a conversation that is open --")
            return
        await self._client.add_participants(self._open.id, words)

    async def _show_conversation(self, conversation: ConversationResource) -> None:
        self._open = conversation
        self._show(f"-- {write_title(conversation)} ({conversation.id}) --")
        await self._show_page(before_seq=None)

    async def _show_more(self, _: list[str]) -> None:
        if self._open is not None:
            await self._show_page(before_seq=self._oldest)

    async def _show_page(self, *, before_seq: int | None) -> None:
        assert self._open is not None  # noqa: S101 - a page is of the open conversation
        page = await self._client.list_messages(self._open.id, before_seq=before_seq, limit=PAGE)
        if page.has_more:
            self._show("-- /more for what was said before --")
        for message in page.messages:
            self._messages.take(message)
            self._show(write_message(message))
        if page.messages:
            self._oldest = page.messages[0].seq
            self._client.read(self._open.id, page.messages[-1].seq)

    async def _show_all(self) -> None:
        async for happening in self._client.events():
            if isinstance(happening, Event):
                self._show_event(happening)
            elif isinstance(happening, Resync):
                self._show("-- the service was restored; this is what there is now --")
                await self._attempt(self._list([]))

    def _show_event(self, event: Event) -> None:
        if isinstance(event, MessageEvent) and not self._is_news(event):
            return
        text = write_event(event)
        if text is None:
            return
        if self._open is None or event.conversation_id != self._open.id:
            text = f"[{self._name_of(event.conversation_id)}] {text}"
        else:
            self._client.read(event.conversation_id, event.seq)
        self._show(text)

    def _is_news(self, event: MessageEvent) -> bool:
        typed_here = event.type == "message.created" and event.message.client_message_id in self._typed
        self._typed.discard(event.message.client_message_id)
        return self._messages.take(event.message) and not typed_here

    def _name_of(self, conversation_id: str) -> str:
        for number, item in enumerate(self._listed, 1):
            if item.id == conversation_id:
                return f"{number} {write_title(item)}"
        return conversation_id[-6:]
