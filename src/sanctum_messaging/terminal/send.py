"""``sanctum send``: one message, once, however long it takes."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import click
import msgspec

from sanctum_messaging.client import Client, FileOutbox, Refused, SendMessage
from sanctum_messaging.terminal.running import StateLine, run_client

if TYPE_CHECKING:
    from sanctum_messaging.client import Sending
    from sanctum_messaging.terminal.login import Login


def send(login: Login, conversation_id: str, text: str) -> None:
    """Send a message and print it as the service has it; also what an earlier command left behind."""
    run_client(_send(login, conversation_id, text))


async def _send(login: Login, conversation_id: str, text: str) -> None:
    outbox = FileOutbox(login.outbox_folder)
    async with Client(login.url, token=login.token, outbox=outbox, on_state=StateLine()) as chat:
        left = chat.unsent
        sending = await chat.submit(
            SendMessage(conversation_id=conversation_id, client_message_id=uuid.uuid4().hex, body=text)
        )
        for earlier in left:
            await _see_through(earlier)
        click.echo(msgspec.json.encode(await sending))


async def _see_through(earlier: Sending) -> None:
    try:
        await earlier
    except Refused as refused:
        click.echo(f"sanctum: not sent: {earlier.message.body!r}: {refused}", err=True)
