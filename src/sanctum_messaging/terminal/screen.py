"""What a conversation looks like in a terminal: names, times and text, and nothing that a terminal obeys."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import UnsetType

from sanctum_messaging.client import ConversationEvent, MessageEvent, ParticipantEvent

if TYPE_CHECKING:
    from sanctum_messaging.client import ConversationItem, ConversationResource, Event, MessageResource


def clean(text: str) -> str:
    """Replace what a terminal would obey: what others write is shown, and does nothing."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(each) in {"Cc", "Cf"} else each for each in text)


def write_message(message: MessageResource) -> str:
    """Write a message in a line for each of its own."""
    if message.body is None:
        return f"{_time(message.created_at)} {clean(message.sender_id)} took a message back"
    first, *more = (clean(line) for line in message.body.splitlines() or [""])
    edited = " (edited)" if message.edited_at is not None else ""
    return "\n      ".join([f"{_time(message.created_at)} {clean(message.sender_id)}: {first}", *more]) + edited


def write_event(event: Event) -> str | None:
    """Write what happened; nothing for what nobody needs to read."""
    match event:
        case MessageEvent():
            return write_message(event.message)
        case ParticipantEvent(participant=participant) if not isinstance(participant.muted, UnsetType):
            return None  # A mark of one's own.
        case ParticipantEvent():
            return f"-- {clean(event.participant.user_id)} {_done_to(event)} --"
        case ConversationEvent():
            return f"-- {clean(event.actor_id)} {event.type.partition('.')[2]} {write_title(event.conversation)} --"
        case _:
            return None


def write_title(conversation: ConversationResource) -> str:
    """Name a conversation."""
    return clean(conversation.title or f"{conversation.kind} {conversation.id[-6:]}")


def write_list(items: list[ConversationItem]) -> str:
    """Write the list from which one is chosen by its number."""
    lines = []
    for number, item in enumerate(items, 1):
        unread = f" ({item.unread_count} unread)" if item.unread_count else ""
        last = "" if item.last_message is None else f"  {write_message(item.last_message).splitlines()[0]}"
        lines.append(f"{number:3} {write_title(item)}{unread}{last}")
    return "\n".join(lines) or "You are in no conversation yet; /new TITLE USER… makes one."


def _done_to(event: ParticipantEvent) -> str:
    match event.type:
        case "participant.added":
            return f"was added by {clean(event.actor_id)}"
        case "participant.removed":
            return "left" if event.reason == "left" else f"was removed by {clean(event.actor_id)}"
        case _:
            return f"is now {event.participant.role}"


def _time(written: str) -> str:
    """Tell the time of day, where the reader is."""
    return datetime.fromisoformat(written).astimezone().strftime("%H:%M")
