"""The example answers as its docstring says, also what was said while it was away."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sanctum_messaging.client import Client, MessageEvent
from tests.e2e.in_process import Here, serve_here

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

EXAMPLE = Path(__file__).parents[2] / "examples" / "bot.py"
PATIENCE_SECONDS = 60


@asynccontextmanager
async def bot(here: Here, folder: Path) -> AsyncGenerator[None]:
    environ = {"SANCTUM_TOKEN": here.token("bot")}
    process = await asyncio.create_subprocess_exec(sys.executable, str(EXAMPLE), here.base_url, cwd=folder, env=environ)
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def next_answer(chat: Client) -> str | None:
    async for happening in chat.events():
        if isinstance(happening, MessageEvent) and happening.message.sender_id == "bot":
            chat.taken(happening)
            return happening.message.body
    raise AssertionError("the stream ended")


async def test_it_answers_what_is_said_to_it_once(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        serve_here(tmp_path / "data") as here,
        Client(here.base_url, token=here.token("ann"), cursor="0-00000000") as ann,
    ):
        conversation_id = (await ann.create_conversation(["bot"])).id
        async with bot(here, tmp_path):
            # It begins at the log's end: nothing is said to it before it is there.
            while not (tmp_path / "bot.place").exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.05)
            await ann.send(conversation_id, "bot, are you there?")
            assert await next_answer(ann) == "ann, you said 4 words."
        await ann.send(conversation_id, "bot, where are you?")
        await ann.send(conversation_id, "nobody in particular")
        async with bot(here, tmp_path):
            assert await next_answer(ann) == "ann, you said 4 words."
            await ann.send(conversation_id, "thanks bot")
            assert await next_answer(ann) == "ann, you said 2 words."
