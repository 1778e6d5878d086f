"""``sanctum tail``: the stream as lines of JSON."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

import msgspec

from sanctum_messaging.client import Client, Event, FileStorage, Happening, Resync
from sanctum_messaging.terminal.running import StateLine, run_client

if TYPE_CHECKING:
    from sanctum_messaging.terminal.login import Login


def tail(login: Login, *, start: str | None, place: str | None) -> None:
    """Print what happens until told to stop, or until nobody reads it any more."""
    try:
        run_client(_tail(login, start=start, place=place, out=sys.stdout))
    except BrokenPipeError:
        # What Python still holds can't be written either; it would complain about that at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _tail(login: Login, *, start: str | None, place: str | None, out: TextIO) -> None:
    storage = None if place is None else FileStorage(place)
    async with Client(login.url, token=login.token, cursor=start, storage=storage, on_state=StateLine()) as chat:
        async for happening in chat.events():
            line = write_line(happening)
            if line is not None:
                out.write(line)
                out.flush()


def write_line(happening: Happening) -> str | None:
    """Write an event, or a request to read the lists again, as the socket does; nothing for what is not durable."""
    match happening:
        case Event():
            frame = {
                "op": "event",
                "cursor": happening.cursor,
                "conversationId": happening.conversation_id,
                "seq": happening.seq,
                "type": happening.type,
                "actorId": happening.actor_id,
                "at": happening.at,
                "data": happening.data,
            }
            return msgspec.json.encode(frame).decode() + "\n"
        case Resync():
            return msgspec.json.encode(happening).decode() + "\n"
        case _:
            return None
