"""The log that a service left behind, and what it says each user's stream is.

Nothing of the service's own code is used: memberships are worked out from the events alone, so that a fault of the
tables or of the queries that keep and use them shows as a difference.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from operator import attrgetter

MOST_UNREAD = 1_000


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A row of the log; ``joins`` and ``leaves`` are users, ``everyone_leaves`` ends all memberships."""

    position: int
    tag: str
    conversation_id: str
    seq: int
    kind: str
    message_id: str = ""
    audience: str = ""
    joins: tuple[str, ...] = ()
    leaves: str = ""
    visibility: str = ""

    @property
    def cursor(self) -> str:
        return f"{self.position}-{self.tag}"

    @property
    def everyone_leaves(self) -> bool:
        return self.kind == "conversation.deleted"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A row of the messages."""

    id: str
    conversation_id: str
    seq: int
    sender_id: str
    client_message_id: str
    body: str | None
    version: int = 1
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Interval:
    """Positions of a membership, both ends included; 0 while it lasts."""

    first: int
    last: int = 0

    def contains(self, position: int) -> bool:
        """Tell whether whoever has it is inside right after the event at a position."""
        return self.first <= position and not 0 < self.last <= position


_position, _seq = attrgetter("position"), attrgetter("seq")


@dataclass(slots=True)
class Stream:
    """What a user's stream shows: ``optional`` events depend on what was visible when they were read."""

    events: list[LoggedEvent] = field(default_factory=list)
    optional: set[int] = field(default_factory=set)
    endings: set[int] = field(default_factory=set)
    """Positions at which a membership of the user ended."""


@dataclass(frozen=True)
class Log:
    """All that is stored; ``faults`` are what the database says of itself."""

    events: Sequence[LoggedEvent]
    messages: Sequence[StoredMessage]
    memberships: Mapping[tuple[str, str], Sequence[Interval]] | None = None
    faults: Sequence[str] = ()

    @property
    def head(self) -> int:
        return self.events[-1].position if self.events else 0

    @cached_property
    def rows(self) -> Mapping[int, LoggedEvent]:
        """Each event by its position."""
        return {event.position: event for event in self.events}

    @cached_property
    def by_conversation(self) -> Mapping[str, Sequence[LoggedEvent]]:
        """The events of each conversation, in order."""
        found: dict[str, list[LoggedEvent]] = defaultdict(list)
        for event in self.events:
            found[event.conversation_id].append(event)
        return dict(found)

    @cached_property
    def senders(self) -> Mapping[str, str]:
        """Who sent each message."""
        return {message.id: message.sender_id for message in self.messages}

    @cached_property
    def positions(self) -> Mapping[tuple[str, int], int]:
        """Where each version of each message came about, by its id and the version."""
        found: dict[tuple[str, int], int] = {}
        versions: dict[str, int] = defaultdict(int)
        for event in self.events:
            if event.message_id:
                versions[event.message_id] += 1
                found[event.message_id, versions[event.message_id]] = event.position
        return found

    @cached_property
    def intervals(self) -> Mapping[tuple[str, str], Sequence[Interval]]:
        """Who was in which conversation from when to when."""
        found: dict[tuple[str, str], list[Interval]] = defaultdict(list)
        inside: dict[str, set[str]] = defaultdict(set)
        for event in self.events:
            present = inside[event.conversation_id]
            for user in event.joins:
                found[user, event.conversation_id].append(Interval(event.position))
                present.add(user)
            leaving = set(present) if event.everyone_leaves else present & {event.leaves}
            for user in leaving:
                last = found[user, event.conversation_id]
                last[-1] = Interval(last[-1].first, event.position)
            present -= leaving
        return dict(found)

    def last_seqs(self, user: str, upto: int) -> dict[str, int]:
        """Work out which conversations a user is in at a position, and the last seq of each."""
        found: dict[str, int] = {}
        for conversation_id in self._conversations.get(user, ()):
            if self.is_inside(user, conversation_id, upto):
                events = self.by_conversation[conversation_id]
                found[conversation_id] = events[bisect_right(events, upto, key=_position) - 1].seq
        return found

    def last_join(self, user: str, conversation_id: str, upto: int) -> int:
        """Find the seq at which a user came last into a conversation, as of a position; 0 if he never did."""
        joins = [each.first for each in self.intervals.get((user, conversation_id), ()) if each.first <= upto]
        return self.rows[joins[-1]].seq if joins else 0

    def is_inside(self, user: str, conversation_id: str, position: int) -> bool:
        """Tell whether a user is in a conversation right after a position."""
        return any(each.contains(position) for each in self.intervals.get((user, conversation_id), ()))

    def stream(self, user: str) -> Stream:
        """Work out what a user's stream shows, were he to read all of it as it happens."""
        if user not in self._streams:
            self._streams[user] = self._stream(user)
        return self._streams[user]

    def _stream(self, user: str) -> Stream:
        stream = Stream()
        inside: set[str] = set()
        seen_messages: set[str] = set()
        shown = chain.from_iterable(self.by_conversation[each] for each in self._conversations.get(user, ()))
        for event in sorted(shown, key=_position):
            if user in event.joins:
                inside.add(event.conversation_id)
            if event.conversation_id not in inside or event.audience not in {"", user}:
                continue
            if event.kind == "message.created":
                seen_messages.add(event.message_id)
            elif event.message_id and event.message_id not in seen_messages and event.kind != "message.created":
                ever = self._visibilities[event.conversation_id]
                if ever == {"joined"}:
                    continue
                if "joined" in ever:
                    stream.optional.add(event.position)
            stream.events.append(event)
            if event.everyone_leaves or event.leaves == user:
                inside.discard(event.conversation_id)
                stream.endings.add(event.position)
        return stream

    def readable(self, user: str, conversation_id: str) -> Sequence[int] | None:
        """Work out which messages a participant finds in a conversation: their seqs; none if its visibility changed."""
        if len(self._visibilities[conversation_id]) > 1:
            return None
        by_user = self._visibilities[conversation_id] == {"joined"}
        key = (user if by_user else "", conversation_id)
        if key not in self._readable:
            shown = self.stream(user).events if by_user else self.by_conversation.get(conversation_id, ())
            created = (each for each in shown if each.kind == "message.created")
            self._readable[key] = sorted({each.seq for each in created if each.conversation_id == conversation_id})
        return self._readable[key]

    def unread(self, user: str, conversation_id: str, *, after: int, upto: int) -> int:
        """Count others' messages behind a seq that are not deleted, as of a position, while the user is inside."""
        events = self.by_conversation.get(conversation_id, ())
        first = bisect_right(events, after, key=_seq)
        inside = first > 0 and self.is_inside(user, conversation_id, events[first - 1].position)
        counted: set[str] = set()
        for event in events[first : bisect_right(events, upto, key=_position)]:
            inside = (inside or user in event.joins) and user != event.leaves
            if event.kind == "message.created" and inside and self.senders.get(event.message_id) != user:
                counted.add(event.message_id)
            elif event.kind == "message.deleted":
                counted.discard(event.message_id)
        return min(len(counted), MOST_UNREAD)

    @cached_property
    def _conversations(self) -> Mapping[str, Sequence[str]]:
        """Those that each user ever came into."""
        found: dict[str, list[str]] = defaultdict(list)
        for user, conversation_id in self.intervals:
            found[user].append(conversation_id)
        return found

    @cached_property
    def _readable(self) -> dict[tuple[str, str], Sequence[int]]:
        return {}

    @cached_property
    def _streams(self) -> dict[str, Stream]:
        return {}

    @cached_property
    def _visibilities(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for event in self.events:
            if event.visibility:
                found[event.conversation_id].add(event.visibility)
        return found
