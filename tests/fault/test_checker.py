"""The checker is worth what it catches: each promise is broken on purpose, in a recording where all were kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.fault.checker import check, main
from tests.fault.log import Log, LoggedEvent, StoredMessage
from tests.fault.recorder import (
    Answered,
    Call,
    Called,
    Closed,
    Connected,
    Delivered,
    Drained,
    Entry,
    Faulted,
    Listed,
    Marked,
    Outcome,
    Result,
    Resynced,
    read_recording,
    write_recording,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROOM = "room"


@dataclass
class Story:
    """A recording and the log that it left; each step adds to both, as a good service would."""

    entries: list[Entry] = field(default_factory=list)
    events: list[LoggedEvent] = field(default_factory=list)
    messages: list[StoredMessage] = field(default_factory=list)

    @property
    def log(self) -> Log:
        return Log(tuple(self.events), tuple(self.messages))

    @property
    def broken(self) -> set[str]:
        return {violation.check for violation in check(self.entries, self.log)}

    def append(self, kind: str, message_id: str = "", **facts: object) -> LoggedEvent:
        position = len(self.events) + 1
        event = LoggedEvent(position, f"{position:08x}", ROOM, position, kind, message_id=message_id)
        self.events.append(replace(event, **facts))  # type: ignore[arg-type] # facts are fields of it
        return self.events[-1]

    def call(
        self, user: str, call: Call, outcome: Outcome = "ok", result: Result | None = None, code: str = ""
    ) -> Answered:
        number = len(self.entries)
        self.entries.append(Called(number, f"{user}'s phone", user, float(number), call))
        answered = Answered(number, float(number) + 0.5, outcome, code, result or Result())
        self.entries.append(answered)
        return answered

    def send(self, user: str, client_id: str, outcome: Outcome = "ok", *, stored: bool = True) -> None:
        call = Call("send", ROOM, client_message_id=client_id, body=f"body of {client_id}")
        if not stored:
            self.call(user, call, outcome, code="not_found" if outcome == "fail" else "")
            return
        event = self.append("message.created", f"id of {client_id}")
        self.messages.append(StoredMessage(event.message_id, ROOM, event.seq, user, client_id, call.body))
        self.call(user, call, outcome, Result(message_id=event.message_id, seq=event.seq) if outcome == "ok" else None)

    def deliver(self, user: str, *positions: int) -> None:
        for position in positions:
            event = self.events[position - 1]
            delivered = Delivered(
                f"{user}'s phone",
                float(len(self.entries)),
                event.cursor,
                ROOM,
                event.seq,
                event.kind,
                message_id=event.message_id,
            )
            self.entries.append(delivered)

    def connect(self, user: str, cursor: str, *, asked: bool = True) -> None:
        asking = cursor if asked else None
        self.entries.append(Connected(f"{user}'s phone", user, 0, cursor, asking, resumed=not asked))

    def read_page(self, user: str, *seqs: int) -> None:
        self.call(user, Call("messages", ROOM), result=Result(seqs=seqs, versions=tuple(1 for _ in seqs)))

    def list_unread(self, user: str, *, read_seq: int, unread: int, last: int | None = None) -> None:
        end = self.events[-1] if last is None else self.events[last - 1]
        line = Listed(ROOM, read_seq, unread, end.seq)
        self.call(user, Call("conversations"), result=Result(lines=(line,), cursor=end.cursor))

    def drain(self, user: str) -> None:
        self.entries.append(Marked(f"{user}'s phone", 0, self.events[-1].cursor))
        self.entries.append(Drained(f"{user}'s phone", 0))


def tell_story() -> Story:
    """Ann writes, Bob listens with one break, Cid is removed in between."""
    story = Story()
    story.append("conversation.created", joins=("ann", "bob", "cid"), visibility="all")
    story.call("ann", Call("create", client_message_id="key"), result=Result(conversation_id=ROOM))
    for user in ("ann", "bob", "cid"):
        story.connect(user, "0-00000000")
    story.send("ann", "first")
    story.send("ann", "second", "info")
    story.deliver("bob", 1, 2)
    story.deliver("cid", 1, 2, 3)
    story.append("participant.removed", leaves="cid")
    story.call("ann", Call("remove", ROOM, target="cid"))
    story.deliver("cid", 4)
    story.call("cid", Call("messages", ROOM), "fail", code="not_found")
    story.send("cid", "refused", "fail", stored=False)
    story.send("ann", "third")
    story.connect("bob", story.events[1].cursor)
    story.deliver("bob", 3, 4, 5)
    story.deliver("ann", 1, 2, 3, 4, 5)
    story.read_page("bob", 2, 3, 5)
    story.call("bob", Call("read", ROOM, seq=2), result=Result(read_seq=2))
    story.list_unread("bob", read_seq=2, unread=2)
    for user in ("ann", "bob", "cid"):
        story.drain(user)
    return story


def change(story: Story, index: int, **fields: object) -> None:
    story.entries[index] = msgspec.structs.replace(story.entries[index], **fields)


def find(story: Story, position: int, client: str) -> int:
    """Find the entry with which a client was given a position."""
    (found,) = (
        index
        for index, entry in enumerate(story.entries)
        if isinstance(entry, Delivered) and entry.client.startswith(client) and entry.cursor.startswith(f"{position}-")
    )
    return found


def test_finds_nothing_wrong_with_a_service_that_keeps_its_promises() -> None:
    assert not check((story := tell_story()).entries, story.log)


def lose_an_acknowledged_message(story: Story) -> None:
    story.call("ann", Call("send", ROOM, client_message_id="lost", body=""), result=Result(message_id="gone", seq=6))


def store_a_refused_message(story: Story) -> None:
    event = story.append("message.created", "ghost")
    story.messages.append(StoredMessage("ghost", ROOM, event.seq, "cid", "refused", "boo"))


def store_another_body(story: Story) -> None:
    story.messages[0] = replace(story.messages[0], body="something else")


def store_a_message_twice(story: Story) -> None:
    event = story.append("message.created", "twin")
    story.messages.append(StoredMessage("twin", ROOM, event.seq, "ann", "first", "body of first"))


def acknowledge_a_repeat_as_another(story: Story) -> None:
    repeat = Call("send", ROOM, client_message_id="first", body="body of third")
    story.call("ann", repeat, result=Result(message_id="id of third", seq=5, replayed=True))


def found_twice(story: Story) -> None:
    story.append("conversation.created", visibility="all")


def acknowledge_a_repeat_as_another_conversation(story: Story) -> None:
    story.call("ann", Call("create", client_message_id="key"), result=Result(conversation_id="another"))


def skip_a_position(story: Story) -> None:
    story.events[-1] = replace(story.events[-1], position=6)


def skip_a_seq(story: Story) -> None:
    story.events[-1] = replace(story.events[-1], seq=6)
    story.messages[-1] = replace(story.messages[-1], seq=6)


def show_two_orders(story: Story) -> None:
    change(story, find(story, 3, "ann"), message_id="id of third")


def forge_a_cursor(story: Story) -> None:
    change(story, find(story, 5, "ann"), cursor="5-deadbeef")


def turn_time_back(story: Story) -> None:
    for entry in list(story.entries):
        if isinstance(entry, Called) and entry.call.client_message_id == "third":
            story.entries[story.entries.index(entry)] = msgspec.structs.replace(entry, at=-2.0)
            answer = next(e for e in story.entries if isinstance(e, Answered) and e.number == entry.number)
            story.entries[story.entries.index(answer)] = msgspec.structs.replace(answer, at=-1.0)


def deliver_after_removal(story: Story) -> None:
    story.entries.insert(len(story.entries) - 2, Marked("bob's phone", 0, story.events[-1].cursor))
    story.deliver("cid", 5)


def answer_the_removed(story: Story) -> None:
    for index, entry in enumerate(story.entries):
        if isinstance(entry, Answered) and entry.code == "not_found":
            story.entries[index] = msgspec.structs.replace(entry, outcome="ok", code="")


def hide_an_acknowledged_message(story: Story) -> None:
    story.read_page("bob", 2, 3)


def leave_a_hole_in_a_page(story: Story) -> None:
    story.read_page("bob", 2, 5)


def hide_an_acknowledged_edit(story: Story) -> None:
    story.append("message.updated", "id of third")
    edit = Call("edit", ROOM, message_id="id of third")
    story.call("ann", edit, result=Result(message_id="id of third", seq=5, version=2))
    story.read_page("bob", 2, 3, 5)


def end_a_stream_too_early(story: Story) -> None:
    story.call("bob", Call("sync"), result=Result(cursor=story.events[3].cursor))


def go_live_too_early(story: Story) -> None:
    story.call("bob", Call("hello"), result=Result(cursor=story.events[3].cursor))


def list_the_past(story: Story) -> None:
    story.list_unread("bob", read_seq=2, unread=1, last=4)


def list_less_than_there_is(story: Story) -> None:
    story.call("bob", Call("conversations"), result=Result(cursor=story.events[-1].cursor))


def hide_a_conversation_from_a_member(story: Story) -> None:
    story.append("participant.added", joins=("cid",))
    story.call("ann", Call("add", ROOM, target="cid"))
    story.call("cid", Call("messages", ROOM), "fail", code="not_found")


def miscount_unread(story: Story) -> None:
    story.list_unread("bob", read_seq=2, unread=3)


def move_a_marker_back(story: Story) -> None:
    story.list_unread("bob", read_seq=1, unread=3)


def lose_a_delivery(story: Story) -> None:
    del story.entries[find(story, 3, "ann")]


def lose_what_came_between_two_sockets(story: Story) -> None:
    del story.entries[find(story, 3, "bob")]


def lose_the_last_delivery(story: Story) -> None:
    del story.entries[find(story, 5, "ann")]


def lose_what_came_before_a_removal_that_is_not_told(story: Story) -> None:
    del story.entries[find(story, 4, "cid")]


def pass_over_what_came_before_anybody_asked_for_a_removal(story: Story) -> None:
    index = find(story, 3, "cid")
    story.entries[index] = Marked("cid's phone", float(index), story.events[2].cursor)


def deliver_twice(story: Story) -> None:
    index = find(story, 3, "ann")
    story.entries.insert(index + 1, story.entries[index])


def deliver_twice_across_sockets(story: Story) -> None:
    story.entries.insert(find(story, 3, "bob"), story.entries[find(story, 2, "bob")])


def swap_two_deliveries(story: Story) -> None:
    first, second = find(story, 3, "ann"), find(story, 4, "ann")
    story.entries[first], story.entries[second] = story.entries[second], story.entries[first]


def resume_behind_what_was_missed(story: Story) -> None:
    for index, entry in enumerate(story.entries):
        if isinstance(entry, Connected) and entry.cursor == story.events[1].cursor:
            cursor = story.events[2].cursor
            story.entries[index] = msgspec.structs.replace(entry, cursor=cursor, asked=None)
    del story.entries[find(story, 3, "bob")]


def resume_elsewhere_than_asked(story: Story) -> None:
    for index, entry in enumerate(story.entries):
        if isinstance(entry, Connected) and entry.cursor == story.events[1].cursor:
            story.entries[index] = msgspec.structs.replace(entry, asked="0-00000000")


def promise_a_cursor_too_early(story: Story) -> None:
    story.entries.insert(find(story, 3, "ann"), Marked("ann's phone", 0, story.events[2].cursor))


def tell_someone_to_start_over(story: Story) -> None:
    story.entries.append(Resynced("bob's phone", 0, "diverged", story.events[-1].cursor))


def forget_a_session(story: Story) -> None:
    story.entries.append(Connected("bob's phone", "bob", 0, story.events[-1].cursor))


def fail(story: Story) -> None:
    story.call("ann", Call("send", ROOM), "info", code="internal")


def refuse_without_a_reason(story: Story) -> None:
    story.call("ann", Call("send", ROOM), "fail", code="http_418")


def close_without_a_reason(story: Story) -> None:
    story.entries.append(Closed("ann's phone", 0, 1011))


def stop_before_the_end(story: Story) -> None:
    story.append("conversation.updated", visibility="all")


@pytest.mark.parametrize(
    ("check_name", "break_it"),
    [
        ("K1", lose_an_acknowledged_message),
        ("K1", store_a_refused_message),
        ("K1", store_another_body),
        ("K2", store_a_message_twice),
        ("K2", acknowledge_a_repeat_as_another),
        ("K2", found_twice),
        ("K2", acknowledge_a_repeat_as_another_conversation),
        ("K3", skip_a_position),
        ("K3", skip_a_seq),
        ("K3", show_two_orders),
        ("K3", forge_a_cursor),
        ("K3", turn_time_back),
        ("K4", deliver_after_removal),
        ("K4", answer_the_removed),
        ("K5", hide_an_acknowledged_message),
        ("K5", leave_a_hole_in_a_page),
        ("K5", hide_an_acknowledged_edit),
        ("K5", end_a_stream_too_early),
        ("K5", go_live_too_early),
        ("K5", list_the_past),
        ("K5", list_less_than_there_is),
        ("K5", hide_a_conversation_from_a_member),
        ("K6", miscount_unread),
        ("K6", move_a_marker_back),
        ("K8", lose_a_delivery),
        ("K8", lose_what_came_between_two_sockets),
        ("K8", lose_the_last_delivery),
        ("K8", lose_what_came_before_a_removal_that_is_not_told),
        ("K8", pass_over_what_came_before_anybody_asked_for_a_removal),
        ("K8", deliver_twice),
        ("K8", deliver_twice_across_sockets),
        ("K8", swap_two_deliveries),
        ("K8", resume_behind_what_was_missed),
        ("K8", resume_elsewhere_than_asked),
        ("K8", promise_a_cursor_too_early),
        ("K8", stop_before_the_end),
        ("K8", tell_someone_to_start_over),
        ("K8", forget_a_session),
        ("K10", fail),
        ("K10", refuse_without_a_reason),
        ("K10", close_without_a_reason),
    ],
)
def test_catches(check_name: str, break_it: Callable[[Story], None]) -> None:
    story = tell_story()
    break_it(story)
    assert check_name in story.broken


def test_excuses_what_a_reader_missed_of_a_conversation_that_he_was_removed_from() -> None:
    """His stream shows only the removal, if he reads when he is not in it any more."""
    story = tell_story()
    for position in (2, 3):
        del story.entries[find(story, position, "cid")]
    assert not story.broken


def test_allows_an_unanswered_send_to_be_lost() -> None:
    story = tell_story()
    story.send("bob", "never arrived", "info", stored=False)
    assert not story.broken


def test_keeps_a_client_that_forgot_its_cursor_to_its_last_acknowledgement() -> None:
    """It may be given events again, but none may be left out."""
    story = tell_story()
    story.connect("bob", story.events[1].cursor, asked=False)
    story.deliver("bob", 3, 4, 5)
    assert not story.broken


def test_lets_a_client_begin_again_that_lost_its_cursor_while_redis_lost_its_session() -> None:
    story = tell_story()
    story.entries.insert(0, Faulted(0, "redis_flushed"))
    story.entries.append(Connected("bob's phone", "bob", 0, story.events[-1].cursor))
    assert not story.broken


def test_reads_what_it_wrote(tmp_path: Path) -> None:
    story = tell_story()
    write_recording(tmp_path / "recording", story.entries)
    assert read_recording(tmp_path / "recording") == story.entries


def test_is_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """See ``test_kill`` for a recording that it finds nothing wrong with."""
    from sanctum_messaging.adapters.sqlite.database import Database  # noqa: PLC0415 # Only this test needs a database.
    from sanctum_messaging.adapters.sqlite.migrate import apply_migrations  # noqa: PLC0415

    database = Database(tmp_path / "messaging.db")
    database.open()
    apply_migrations(database.writer)
    database.close()
    write_recording(tmp_path / "recording", tell_story().entries)
    assert main([str(tmp_path / "recording"), str(tmp_path / "messaging.db")]) == 1
    assert "K1: " in capsys.readouterr().out
