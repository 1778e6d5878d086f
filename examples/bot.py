"""A bot in thirty lines: it answers whoever says its name, once, whatever becomes of it or of the service.

    export SANCTUM_TOKEN=$(.venv/bin/sanctum token --user bot)
    .venv/bin/python examples/bot.py http://127.0.0.1:8080

Its cursor is kept in a file: what is said while it is away is answered when it is back. The client message id is made
of the message that is answered, so that an answer can't be given twice, even if the bot is killed right after it.
"""

from __future__ import annotations

import asyncio
import os
import sys

from sanctum_messaging.client import Client, FileStorage, MessageEvent, Refused


async def answer(chat: Client, event: MessageEvent) -> None:
    message = event.message
    if event.type != "message.created" or message.sender_id == "bot" or "bot" not in (message.body or ""):
        return
    text = f"{message.sender_id}, you said {len((message.body or '').split())} words."
    try:
        await chat.send(message.conversation_id, text, reply_to=message.id, client_message_id=f"re-{message.id}")
    except Refused as refused:
        print(f"not answered: {refused}", file=sys.stderr)


async def main(url: str) -> None:
    async with Client(url, token=os.environ["SANCTUM_TOKEN"], storage=FileStorage("bot.place")) as chat:
        async for happening in chat.events():
            if isinstance(happening, MessageEvent):
                await answer(chat, happening)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
