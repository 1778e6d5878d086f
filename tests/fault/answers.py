"""What an answer tells, as a recording keeps it."""

from __future__ import annotations

from typing import Any

from tests.fault.recorder import Delivered, Listed, Result


def conversation(answer: dict[str, Any]) -> Result:
    return Result(conversation_id=answer["conversation"]["id"], replayed=answer["replayed"])


def message(answer: dict[str, Any]) -> Result:
    message = answer["message"]
    return Result(message_id=message["id"], seq=message["seq"], version=message["version"], replayed=answer["replayed"])


def page(answer: dict[str, Any]) -> Result:
    messages = answer["messages"]
    return Result(seqs=tuple(each["seq"] for each in messages), versions=tuple(each["version"] for each in messages))


def lines(answer: dict[str, Any]) -> Result:
    lines = tuple(
        Listed(each["id"], each["readSeq"], each["unreadCount"], each["lastSeq"]) for each in answer["conversations"]
    )
    return Result(lines=lines, cursor=answer["streamCursor"])


def streamed(answer: dict[str, Any]) -> Result:
    return Result(cursor="" if answer["hasMore"] else answer["cursor"])


def marker(answer: dict[str, Any]) -> Result:
    return Result(read_seq=answer["readSeq"])


def delivered(client: str, at: float, event: dict[str, Any], *, taken: bool = True) -> Delivered:
    """Take down an event frame."""
    return Delivered(
        client,
        at,
        event["cursor"],
        event["conversationId"],
        event["seq"],
        event["type"],
        message_id=event["data"].get("message", {}).get("id", ""),
        taken=taken,
    )
