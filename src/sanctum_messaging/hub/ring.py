"""The newest events, bounded in bytes, with a list per conversation: what most catch-ups read.

Each is encoded for the wire once, when somebody is to see it: an instance hears of every event of the log, and nobody
there may care for most of them.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from heapq import merge
from operator import attrgetter
from sys import getsizeof
from typing import TYPE_CHECKING, cast

import msgspec

from sanctum_messaging.domain.events import ConversationChange, Event, EventKind, MessageChange, ParticipantChange
from sanctum_messaging.domain.model import (
    ORIGIN,
    Conversation,
    ConversationId,
    Cursor,
    HistoryVisibility,
    Message,
    MessageId,
    Position,
)
from sanctum_messaging.presenters import encode_event
from sanctum_messaging.protocol.framing import frame_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class Entry:
    """An event and its frame; both are replaced once the event's message was edited or deleted."""

    __slots__ = ("_frame", "event", "size")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.size = size_of(event)
        self._frame: bytes | None = None

    @property
    def position(self) -> Position:
        return self.event.position

    @property
    def frame(self) -> bytes:
        """The event as it goes over a WebSocket, the same bytes for all."""
        if self._frame is None:
            self._frame = frame_text(encode_event(self.event))
        return self._frame

    def replace(self, event: Event) -> None:
        """Show the event as it is now."""
        self.event, self._frame = event, None
        self.size = size_of(event)


_position = attrgetter("position")
_encoder = msgspec.json.Encoder()
_EVENT_BYTES = 1_920
"""What an event takes besides the texts it is about: objects, ids, places in lists, and a frame of names and times."""
_PARTICIPANT_BYTES = 352
_TRIM = 64
"""How many places of dropped entries a lane carries before it is worth moving the others down."""
_DROPPED = cast("Entry", None)
"""Takes the place of a dropped entry, which is freed at once; no look at a lane goes back to there."""


class Lane:
    """Entries in order of position: appended at the end, dropped at the start, found by bisection."""

    __slots__ = ("_entries", "_start", "joined_only")

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._start = 0
        self.joined_only: bool | None = None
        """Who sees edits and deletions in this conversation, if that changed while it was in the ring."""

    def __len__(self) -> int:
        return len(self._entries) - self._start

    def append(self, entry: Entry) -> None:
        self._entries.append(entry)

    def pop_first(self) -> Entry:
        entry, self._entries[self._start] = self._entries[self._start], _DROPPED
        self._start += 1
        if self._start > _TRIM and self._start * 2 > len(self._entries):
            del self._entries[: self._start]
            self._start = 0
        return entry

    @property
    def last(self) -> Position:
        return self._entries[-1].position

    def after(self, position: Position) -> Iterator[Entry]:
        entries = self._entries
        for index in range(bisect_right(entries, position, lo=self._start, key=_position), len(entries)):
            yield entries[index]


class Ring:
    """Holds the events (floor, tail] of the log without a hole. All methods are synchronous.

    The tail is the log's newest event that was applied here; the hub has no other notion of where it stands.
    """

    def __init__(self, *, max_bytes: int, max_events: int) -> None:
        self._max_bytes = max_bytes
        self._max_events = max_events
        self.reset(ORIGIN)

    def reset(self, head: Cursor) -> None:
        """Forget everything and go on behind a cursor."""
        self.tail = head
        self.floor = head.position
        self._bytes = 0
        self._has_dropped = False
        self._all = Lane()
        self._lanes: dict[ConversationId, Lane] = {}
        self._newest: dict[MessageId, tuple[Position, Message]] = {}
        """Where each message occurs last, and its content there, which is what its earlier entries show too."""

    def append(self, event: Event) -> Entry:
        """Add the next event.

        From then on the earlier entries of its message show the content that the message has now.

        Raises:
            ValueError: the event is not behind the tail.
        """
        if event.position <= self.tail.position:
            raise ValueError("Events are applied in the order of the log.")
        entry = Entry(event)
        if isinstance(event.body, MessageChange):
            self._newest[event.body.message.id] = (event.position, event.body.message)
        self._all.append(entry)
        lane = self._lanes.setdefault(event.conversation_id, Lane())
        lane.append(entry)
        if isinstance(event.body, ConversationChange) and event.body.visibility_changed:
            lane.joined_only = event.body.conversation.visibility is HistoryVisibility.JOINED
        self._bytes += entry.size
        self.tail = event.cursor
        while self._bytes > self._max_bytes or len(self._all) > self._max_events:
            self._drop_first()
        return entry

    @property
    def events(self) -> int:
        """How many there are."""
        return len(self._all)

    @property
    def bytes(self) -> int:
        """About how much they take."""
        return self._bytes

    @property
    def is_full(self) -> bool:
        """Whether an old event had to go for a new one, or has to for the next."""
        return self._has_dropped or len(self._all) == self._max_events

    def find_tag(self, position: Position) -> str | None:
        """Find the tag of an event that is in the ring, or of the tail."""
        if position == self.tail.position:
            return self.tail.tag
        entry = next(self._all.after(Position(position - 1)), None)
        return entry.event.tag if entry is not None and entry.position == position else None

    def covers(self, after: Position) -> bool:
        """Tell whether all events behind a position, up to the tail, are here."""
        return self.floor <= after <= self.tail.position

    def entries(self, conversations: Collection[ConversationId], after: Position) -> Iterator[Entry]:
        """Iterate over the entries of some conversations behind a position, in order of position.

        The cost follows what is taken from it. To be done with before anything is awaited.
        """
        few, many = sorted((conversations, self._lanes), key=len)
        lanes = [self._lanes[each] for each in few if each in many]
        found = merge(*(lane.after(after) for lane in lanes if lane.last > after), key=_position)
        return map(self._refreshed, found)

    def _refreshed(self, entry: Entry) -> Entry:
        """Encode an entry anew if its message has changed, or who sees it.

        Done when it is read, so that edits and changes of visibility stay cheap.
        """
        body = entry.event.body
        if isinstance(body, MessageChange):
            _, message = self._newest[body.message.id]
            joined_only = self._joined_only(entry.event, now=body.joined_only)
            if body.message.version < message.version or body.joined_only is not joined_only:
                self._bytes -= entry.size
                entry.replace(replace(entry.event, body=MessageChange(message, joined_only)))
                self._bytes += entry.size
        return entry

    def _joined_only(self, event: Event, *, now: bool) -> bool:
        if event.kind is EventKind.MESSAGE_CREATED:
            return False
        changed = self._lanes[event.conversation_id].joined_only
        return now if changed is None else changed

    def _drop_first(self) -> None:
        entry = self._all.pop_first()
        self._has_dropped = True
        self.floor = entry.position
        self._bytes -= entry.size
        lane = self._lanes[entry.event.conversation_id]
        lane.pop_first()
        if not len(lane):
            del self._lanes[entry.event.conversation_id]
        body = entry.event.body
        if isinstance(body, MessageChange) and self._newest[body.message.id][0] == entry.position:
            del self._newest[body.message.id]


def size_of(event: Event) -> int:
    """Count what an event takes of the process, with its frame, which may never be encoded."""
    match event.body:
        case MessageChange(message=message):
            return _EVENT_BYTES + _bytes_of_text(message.body) + _bytes_of_json(message.metadata)
        case ParticipantChange(conversation=conversation):
            return _EVENT_BYTES + (0 if conversation is None else _bytes_of_conversation(conversation))
        case ConversationChange(conversation=conversation, participants=participants):
            return _EVENT_BYTES + _bytes_of_conversation(conversation) + _PARTICIPANT_BYTES * len(participants)


def _bytes_of_conversation(conversation: Conversation) -> int:
    return _bytes_of_text(conversation.title) + _bytes_of_json(conversation.metadata)


def _bytes_of_text(text: str | None) -> int:
    """Count a text in its frame, where some characters take six bytes, and as it is, with the UTF-8 it then keeps."""
    return 0 if text is None else len(_encoder.encode(text)) + getsizeof(text)


def _bytes_of_json(text: str | None) -> int:
    """Count a text that goes out as it came in."""
    return 0 if text is None else (len(text) if text.isascii() else len(text.encode())) + getsizeof(text)
