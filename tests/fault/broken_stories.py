"""What a service does that breaks a promise, as changes of a story in which all were kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from tests.fault.log import StoredMessage
from tests.fault.recorder import Answered, Call, Called, Closed, Connected, Marked, Result, Resynced
from tests.fault.story import ROOM, Story, change, find


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


BROKEN: Sequence[tuple[str, Callable[[Story], None]]] = (
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
)
"""Each promise, broken on purpose, and the check that must say so."""
