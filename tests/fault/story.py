"""A recording, and the log that it left, of a service that keeps its promises."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec

from tests.fault.checker import check
from tests.fault.log import Log, LoggedEvent, StoredMessage
from tests.fault.recorder import (
    Answered,
    Call,
    Called,
    Connected,
    Delivered,
    Drained,
    Entry,
    Listed,
    Marked,
    Outcome,
    Result,
)

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
