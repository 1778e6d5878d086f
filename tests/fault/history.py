"""A recording, sorted out: what was asked and answered, and what each client was given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import NamedTuple

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
    Marked,
    Outcome,
    Result,
    Resynced,
)

NEVER = float("inf")


class Violation(NamedTuple):
    """A promise that was not kept."""

    check: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.check}: {self.meaning}"


@dataclass(frozen=True, slots=True)
class Operation:
    """A call with its answer; one that never came has an unknown outcome and never ended."""

    client: str
    user: str
    call: Call
    called: float
    answered: float
    outcome: Outcome
    code: str
    result: Result

    @property
    def key(self) -> tuple[str, str, str]:
        """What names the message of a send for good."""
        return self.call.conversation_id, self.user, self.call.client_message_id


@dataclass(slots=True)
class Segment:
    """What came over one socket, in order."""

    start: str
    asked: str | None
    resumed: bool = False
    frames: list[Delivered | Marked] = field(default_factory=list)


@dataclass(slots=True)
class Reader:
    """One client over all its sockets, or between two losses of all that it and the service knew of its stream."""

    name: str
    user: str
    segments: list[Segment] = field(default_factory=list)
    drained: bool = False


@dataclass(frozen=True)
class Recording:
    """A recording, sorted out."""

    operations: Sequence[Operation]
    readers: Sequence[Reader]
    resyncs: Sequence[Resynced] = ()
    closes: Sequence[Closed] = ()
    faults: Sequence[Faulted] = ()
    answers: Sequence[Answered] = ()

    def of(self, *actions: str) -> Iterator[Operation]:
        """Go through all calls of one kind, then through all of the next."""
        return chain.from_iterable(self._by_action.get(action, ()) for action in actions)

    @cached_property
    def _by_action(self) -> Mapping[str, Sequence[Operation]]:
        found: dict[str, list[Operation]] = defaultdict(list)
        for each in self.operations:
            found[each.call.action].append(each)
        return found


def sort_out(entries: Sequence[Entry]) -> Recording:
    """Join calls with their answers, and deliveries with their sockets."""
    called = [entry for entry in entries if isinstance(entry, Called)]
    answered = {entry.number: entry for entry in entries if isinstance(entry, Answered)}
    return Recording(
        [_operation(each, answered.get(each.number)) for each in called],
        _readers_of(entries),
        [entry for entry in entries if isinstance(entry, Resynced)],
        [entry for entry in entries if isinstance(entry, Closed)],
        [entry for entry in entries if isinstance(entry, Faulted)],
        list(answered.values()),
    )


def position_of(cursor: str) -> int:
    """Read the position that a cursor names; a checker may look where a client may not."""
    return int(cursor.partition("-")[0])


def _operation(called: Called, answered: Answered | None) -> Operation:
    """Join a call with its answer. An unknown outcome may still come about at any later time."""
    if answered is None:
        answered = Answered(called.number, NEVER, "info")
    ended = NEVER if answered.outcome == "info" else answered.at
    return Operation(
        called.client,
        called.user,
        called.call,
        called.at,
        ended,
        answered.outcome,
        answered.code,
        answered.result,
    )


def _readers_of(entries: Sequence[Entry]) -> list[Reader]:
    readers: list[Reader] = []
    current: dict[str, Reader] = {}
    for entry in entries:
        match entry:
            case Connected():
                reader = current.get(entry.client)
                if reader is None or (entry.asked is None and not entry.resumed):
                    reader = current[entry.client] = Reader(entry.client, entry.user)
                    readers.append(reader)
                reader.segments.append(Segment(entry.cursor, entry.asked, entry.resumed))
            case Delivered() | Marked():
                current[entry.client].segments[-1].frames.append(entry)
            case Drained():
                current[entry.client].drained = True
            case _:
                pass
    return readers
