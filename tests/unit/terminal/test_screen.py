from __future__ import annotations

import msgspec
import pytest

from sanctum_messaging.client import MessageEvent, MessageResource, Resync, TypingSignal
from sanctum_messaging.client.events import present_event
from sanctum_messaging.protocol.received import ReceivedEvent, decode_received
from sanctum_messaging.terminal.screen import clean, write_event, write_message
from sanctum_messaging.terminal.tail import write_line
from tests.conformance.transcripts import fill

EVENT = {"op": "event", "cursor": "2-00000002", "conversationId": "c", "seq": 2}


def received(**fields: object) -> ReceivedEvent:
    frame = decode_received(msgspec.json.encode(fill({**EVENT, **fields})))
    assert isinstance(frame, ReceivedEvent)
    return frame


def message(**fields: object) -> MessageResource:
    event = present_event(received(data={"message": fields}))
    assert isinstance(event, MessageEvent)
    return event.message


def test_nothing_that_others_write_is_obeyed_by_the_terminal() -> None:
    assert clean("a\x1b[31mb\x07\u202ec") == "a\ufffd[31mb\ufffd\ufffdc"
    shown = write_message(message(body="\x1b]0;title\x07\nsecond\r\x9b2J", senderId="\x1b[2J"))
    assert not set(shown) & {"\x1b", "\x07", "\r", "\x9b"}


def test_a_message_of_several_lines_is_written_below_its_sender() -> None:
    first, second = write_message(message(body="one\ntwo", senderId="bob")).splitlines()
    assert (first[5:], second) == (" bob: one", "      two")


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"data": {"message": {"body": None}}}, "bob took a message back"),
        ({"data": {"message": {"body": "New", "editedAt": "x"}}}, "bob: New (edited)"),
        ({"type": "reaction.added", "data": {}}, None),
    ],
)
def test_what_happened_is_written_in_a_line(fields: dict[str, object], shown: str | None) -> None:
    text = write_event(present_event(received(**fields)))
    assert (text[6:] if text else text) == shown


@pytest.mark.parametrize(
    ("type_", "data", "shown"),
    [
        ("participant.added", {}, "-- carl was added by bob --"),
        ("participant.removed", {"reason": "removed"}, "-- carl was removed by bob --"),
        ("participant.removed", {"reason": "left"}, "-- carl left --"),
        ("participant.updated", {}, "-- carl is now admin --"),
        ("participant.updated", {"muted": True}, None),
    ],
)
def test_who_comes_and_goes_is_written(type_: str, data: dict[str, object], shown: str | None) -> None:
    participant: dict[str, object] = {"userId": "carl", "role": "admin", "joinedAt": "", "leftAt": None}
    if "muted" in data:
        participant |= {"muted": True, "hidden": False, "pinned": False}
    event = present_event(received(type=type_, data={"participant": participant, **data}))
    assert write_event(event) == shown


def test_tail_writes_what_the_socket_says() -> None:
    frame = fill(EVENT)
    event = present_event(received())
    line = write_line(event)
    assert line is not None
    assert msgspec.json.decode(line) == frame
    resync = write_line(Resync(reason="diverged", cursor="1-00000000"))
    assert resync == '{"op":"resync","reason":"diverged","cursor":"1-00000000"}\n'
    assert write_line(TypingSignal("c", "b", on=True)) is None
