"""Decides whether a recording and the log it left behind could come from a service that keeps its promises.

    python -m tests.fault.checker RECORDING DATABASE

The database is the file of SQLite, the address of PostgreSQL, or a file in which the log was kept (``keep_log``).

Every check is a pure function that yields what it found to be broken:

    K1  an acknowledged message is stored, a refused one is not, an unanswered one may be either
    K2  one message for each client message id, and every answer names that one
    K3  positions are 1..n and seqs 1..m without holes, the same for every reader, and in the order of real time
    K4  nothing after a removal: neither delivered nor answered
    K5  who has been told that a message is stored finds it in every later read
    K6  unread is what a recount gives, and a marker stands where it was acknowledged to stand
    K8  each client took its stream exactly once and in order, over all reconnects
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.fault.log import Interval, Log, LoggedEvent, StoredMessage, Stream
from tests.fault.recorder import (
    Answered,
    Call,
    Called,
    Closed,
    Connected,
    Delivered,
    Drained,
    Entry,
    Killed,
    Marked,
    Outcome,
    Result,
    read_recording,
)
from tests.fault.stored_log import read_stored_log

NEVER = float("inf")
REUSED = "client_message_id_reused"


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
    frames: list[Delivered | Marked] = field(default_factory=list)


@dataclass(slots=True)
class Reader:
    """One client over all its sockets."""

    name: str
    user: str
    segments: list[Segment] = field(default_factory=list)
    drained: bool = False


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording, sorted out."""

    operations: Sequence[Operation]
    readers: Sequence[Reader]

    def of(self, *actions: str) -> Iterator[Operation]:
        return (each for each in self.operations if each.call.action in actions)


def sort_out(entries: Sequence[Entry]) -> Recording:
    """Join calls with their answers, and deliveries with their sockets."""
    called: dict[int, Called] = {}
    answered: dict[int, Answered] = {}
    readers: dict[str, Reader] = {}
    for entry in entries:
        match entry:
            case Called():
                called[entry.number] = entry
            case Answered():
                answered[entry.number] = entry
            case Connected():
                reader = readers.setdefault(entry.client, Reader(entry.client, entry.user))
                reader.segments.append(Segment(entry.cursor, entry.asked))
            case Delivered() | Marked():
                readers[entry.client].segments[-1].frames.append(entry)
            case Drained():
                readers[entry.client].drained = True
            case Closed() | Killed():
                pass
    operations = [_operation(each, answered.get(number)) for number, each in called.items()]
    return Recording(operations, tuple(readers.values()))


def check(entries: Sequence[Entry], log: Log) -> list[Violation]:
    """Run every check; an empty list is what one hopes for."""
    recording = sort_out(entries)
    return [violation for each in CHECKS for violation in each(recording, log)]


def check_stored(recording: Recording, log: Log) -> Iterator[Violation]:
    """K1: what was acknowledged is stored, and what is stored was acknowledged or left unanswered."""
    stored = {(each.conversation_id, each.sender_id, each.client_message_id): each for each in log.messages}
    by_id = {each.id: each for each in log.messages}
    possible: set[tuple[str, str, str]] = set()
    for send in recording.of("send"):
        if send.outcome != "fail" or send.code == REUSED:
            possible.add(send.key)
        if send.outcome == "ok" and send.result.message_id not in by_id:
            yield Violation("K1", f"{send.key} was acknowledged as {send.result.message_id} and is lost")
        elif send.outcome == "ok":
            yield from _check_content(send, by_id[send.result.message_id])
    for key in sorted(stored.keys() - possible):
        yield Violation("K1", f"{key} is stored, and every send of it was refused or never made")
    logged = {event.message_id for event in log.events if event.kind == "message.created"}
    for message_id in sorted(by_id.keys() ^ logged):
        yield Violation("K1", f"message {message_id} is stored without its event, or the other way round")


def check_client_ids(recording: Recording, log: Log) -> Iterator[Violation]:
    """K2: however often it was sent, it is one message, and all answers say so."""
    ids: dict[tuple[str, str, str], set[tuple[str, int]]] = defaultdict(set)
    for message in log.messages:
        ids[message.conversation_id, message.sender_id, message.client_message_id].add((message.id, message.seq))
    for key, stored in ids.items():
        if len(stored) > 1:
            yield Violation("K2", f"{key} is stored {len(stored)} times: {sorted(stored)}")
    answers: dict[tuple[str, str, str], set[tuple[str, int]]] = defaultdict(set)
    first_answers: dict[tuple[str, str, str], int] = defaultdict(int)
    for send in recording.of("send"):
        if send.outcome == "ok":
            answers[send.key].add((send.result.message_id, send.result.seq))
            first_answers[send.key] += not send.result.replayed
    for key, told in answers.items():
        if len(told) > 1:
            yield Violation("K2", f"{key} was acknowledged as different messages: {sorted(told)}")
        if first_answers[key] > 1:
            yield Violation("K2", f"{key} was acknowledged as new {first_answers[key]} times")


def check_order(recording: Recording, log: Log) -> Iterator[Violation]:
    """K3: one gapless order, the same for all who read it, and that of real time."""
    yield from _check_numbers(log)
    rows = {event.position: event for event in log.events}
    for reader in recording.readers:
        for segment in reader.segments:
            for frame in segment.frames:
                if isinstance(frame, Delivered) and not _is_same(frame, rows.get(position_of(frame.cursor))):
                    yield Violation("K3", f"{reader.name} was given {frame}, which is not what the log holds there")
                elif isinstance(frame, Marked) and not _is_cursor(frame.cursor, rows):
                    yield Violation("K3", f"{reader.name} was given the cursor {frame.cursor}, which is not in the log")
    yield from _check_real_time(recording)


def check_removals(recording: Recording, log: Log) -> Iterator[Violation]:
    """K4: nothing of a conversation is delivered outside memberships, and calls after a removal find nothing."""
    rows = {event.position: event for event in log.events}
    for reader in recording.readers:
        visible = {event.position for event in log.stream(reader.user).events}
        for segment in reader.segments:
            for frame in segment.frames:
                position = position_of(frame.cursor)
                if isinstance(frame, Delivered) and position in rows and position not in visible:
                    yield Violation("K4", f"{reader.name} was given {rows[position]}, which {reader.user} may not see")
    yield from _check_calls_of_removed(recording)
    if log.memberships is not None:
        yield from _check_memberships(log, log.memberships)


def check_own_writes(recording: Recording, log: Log) -> Iterator[Violation]:
    """K5: a page read after an acknowledgement reaches at least that far."""
    sends: dict[str, list[Operation]] = defaultdict(list)
    for send in recording.of("send"):
        if send.outcome == "ok":
            sends[send.call.conversation_id].append(send)
    for page in recording.of("messages"):
        if page.outcome != "ok":
            continue
        conversation_id, seqs = page.call.conversation_id, page.result.seqs
        readable = log.readable(page.user, conversation_id)
        if readable is None:
            continue
        told = {each.result.seq for each in sends[conversation_id] if each.answered < page.called}
        last = max(seqs, default=0)
        if any(seq > last for seq in told & readable):
            yield Violation("K5", f"{page.client} read {conversation_id} up to {last}; {max(told)} was acknowledged")
        expected = tuple(seq for seq in sorted(readable) if seqs and seqs[0] <= seq <= last)
        if seqs != expected:
            yield Violation("K5", f"{page.client} read {seqs} of {conversation_id}; there are {expected}")


def check_unread(recording: Recording, log: Log) -> Iterator[Violation]:
    """K6: each listed count is the recount at the list's cursor, each marker within what was asked for by then."""
    reads: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for read in recording.of("read"):
        reads[read.user, read.call.conversation_id].append(read)
    for page in recording.of("conversations"):
        upto = position_of(page.result.cursor) if page.outcome == "ok" else 0
        for line in page.result.lines:
            counted = log.unread(page.user, line.conversation_id, after=line.read_seq, upto=upto)
            if counted != line.unread:
                meaning = f"{line.unread} unread in {line.conversation_id} at {page.result.cursor}; there are {counted}"
                yield Violation("K6", f"{page.client} was told of {meaning}")
            moves = reads[page.user, line.conversation_id]
            least = max((each.result.read_seq for each in moves if _ended_before(each, page.called)), default=0)
            most = max((each.call.seq for each in moves if each.called < page.answered), default=0)
            joined = _last_join(log, page.user, line.conversation_id, upto)
            if not least <= line.read_seq <= max(most, least, joined):
                meaning = f"marker of {page.user} in {line.conversation_id} stands at {line.read_seq}"
                yield Violation("K6", f"the {meaning}, not within {least}..{max(most, least, joined)}")


def check_streams(recording: Recording, log: Log) -> Iterator[Violation]:
    """K8: what a client took is its stream from where it began, exactly once, in order, across all its sockets."""
    for reader in recording.readers:
        yield from _check_sockets(reader)
        yield from _check_taken(reader)
        yield from _check_complete(reader, log)


CHECKS: Sequence[Callable[[Recording, Log], Iterator[Violation]]] = (
    check_stored,
    check_client_ids,
    check_order,
    check_removals,
    check_own_writes,
    check_unread,
    check_streams,
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


def _check_content(send: Operation, message: StoredMessage) -> Iterator[Violation]:
    told = (send.call.conversation_id, send.user, send.call.client_message_id, send.result.seq)
    if told != (message.conversation_id, message.sender_id, message.client_message_id, message.seq):
        yield Violation("K1", f"{told} was acknowledged, and {message} is stored")
    if message.version == 1 and message.body != send.call.body:
        yield Violation("K1", f"{send.key} is stored with another body than the acknowledged one")


def _check_numbers(log: Log) -> Iterator[Violation]:
    for expected, event in enumerate(log.events, 1):
        if event.position != expected:
            yield Violation("K3", f"position {expected} of the log is missing: {event.position} follows")
            break
    for conversation_id, events in log.by_conversation.items():
        seqs = [event.seq for event in events]
        if seqs != list(range(1, len(seqs) + 1)):
            yield Violation("K3", f"the seqs of {conversation_id} are not 1..{len(seqs)}: {_first_break(seqs)}")
    created = {event.message_id: event.seq for event in log.events if event.kind == "message.created"}
    for message in log.messages:
        if created.get(message.id, message.seq) != message.seq:
            yield Violation("K3", f"message {message.id} bears another seq than its event")
    for fault in log.faults:
        yield Violation("K3", f"the database says of itself: {fault}")


def _first_break(seqs: Sequence[int]) -> str:
    for expected, seq in enumerate(seqs, 1):
        if seq != expected:
            return f"{seq} in the place of {expected}"
    return "none"


def _is_same(frame: Delivered, event: LoggedEvent | None) -> bool:
    return event is not None and (frame.cursor, frame.conversation_id, frame.seq, frame.type, frame.message_id) == (
        event.cursor,
        event.conversation_id,
        event.seq,
        event.kind,
        event.message_id,
    )


def _is_cursor(cursor: str, rows: Mapping[int, LoggedEvent]) -> bool:
    row = rows.get(position_of(cursor))
    return cursor == "0-00000000" if row is None else row.cursor == cursor


def _check_real_time(recording: Recording) -> Iterator[Violation]:
    """A send that began after another was acknowledged comes after it."""
    sends: dict[str, list[Operation]] = defaultdict(list)
    for send in recording.of("send"):
        if send.outcome == "ok" and not send.result.replayed:
            sends[send.call.conversation_id].append(send)
    for conversation_id, made in sends.items():
        ended = sorted(made, key=lambda send: send.answered)
        highest, index = 0, 0
        for send in sorted(made, key=lambda send: send.called):
            while ended[index].answered < send.called:
                highest = max(highest, ended[index].result.seq)
                index += 1
            if send.result.seq <= highest:
                meaning = f"{send.result.seq} was sent after {highest} had been acknowledged"
                yield Violation("K3", f"the order of {conversation_id} is not that of real time: {meaning}")


def _check_calls_of_removed(recording: Recording) -> Iterator[Violation]:
    adds = list(recording.of("add", "create"))
    for removal in recording.of("remove"):
        if removal.outcome != "ok":
            continue
        user, conversation_id = removal.call.target, removal.call.conversation_id
        for each in recording.operations:
            if each.user != user or each.call.conversation_id != conversation_id or each.called <= removal.answered:
                continue
            again = any(
                (add.call.conversation_id, add.call.target) == (conversation_id, user)
                and add.called < each.answered
                and add.answered > removal.called
                for add in adds
            )
            if not again and each.outcome == "ok":
                yield Violation("K4", f"{user} was removed from {conversation_id}, and then did {each.call}")


def _check_memberships(log: Log, stored: Mapping[tuple[str, str], Sequence[Interval]]) -> Iterator[Violation]:
    derived = log.intervals()
    for key in sorted(derived.keys() | stored.keys()):
        if list(derived.get(key, ())) != list(stored.get(key, ())):
            yield Violation("K4", f"the log says {key} was in at {derived.get(key)}, the table {stored.get(key)}")


def _ended_before(operation: Operation, at: float) -> bool:
    return operation.outcome == "ok" and operation.answered < at


def _last_join(log: Log, user: str, conversation_id: str, upto: int) -> int:
    joins = [e.seq for e in log.by_conversation.get(conversation_id, ()) if user in e.joins and e.position <= upto]
    return max(joins, default=0)


def _check_sockets(reader: Reader) -> Iterator[Violation]:
    """On one socket, every event and every cursor lies behind all that came before it."""
    for segment in reader.segments:
        if segment.asked is not None and segment.asked != segment.start:
            yield Violation("K8", f"{reader.name} asked for {segment.asked} and was started at {segment.start}")
        reached = position_of(segment.start)
        for frame in segment.frames:
            position = position_of(frame.cursor)
            if isinstance(frame, Delivered) and position <= reached:
                yield Violation("K8", f"{reader.name} was given {position} on a socket that had reached {reached}")
            if position < reached:
                yield Violation("K8", f"{reader.name} was given the cursor {position} after {reached}")
            reached = max(reached, position)


def _check_taken(reader: Reader) -> Iterator[Violation]:
    """The application is given each event once, in order, unless the client lost its memory in between."""
    taken = 0
    for segment in reader.segments:
        if segment.asked is None:
            taken = 0
        for frame in segment.frames:
            if isinstance(frame, Delivered) and frame.taken:
                position = position_of(frame.cursor)
                if position <= taken:
                    yield Violation("K8", f"{reader.name} took {position} after {taken}")
                taken = max(taken, position)


def _check_complete(reader: Reader, log: Log) -> Iterator[Violation]:
    """No gap between sockets, none in what was taken, and none at the end."""
    if not reader.segments:
        return
    begin = reached = position_of(reader.segments[0].start)
    taken: set[int] = set()
    for segment in reader.segments:
        if position_of(segment.start) > reached:
            yield Violation("K8", f"{reader.name} had reached {reached} and was started at {segment.start}")
        reached = position_of(segment.start) if segment.asked is None else reached
        for frame in segment.frames:
            reached = max(reached, position_of(frame.cursor))
            if isinstance(frame, Delivered) and frame.taken:
                taken.add(position_of(frame.cursor))
    if reader.drained and reached < log.head:
        yield Violation("K8", f"{reader.name} drained its stream at {reached}; the log ends at {log.head}")
    stream = log.stream(reader.user)
    for event in _missing(stream, taken, begin=begin, end=reached):
        yield Violation("K8", f"{reader.name} never took {event}")


def _missing(stream: Stream, taken: set[int], *, begin: int, end: int) -> Iterator[LoggedEvent]:
    """Find what was left out without an excuse.

    Of a conversation that a user is not in when he reads, only his removal is shown: what directly precedes a removal
    that he took may be missing.
    """
    excused: set[str] = set()
    for event in reversed(stream.events):
        if event.position > end:
            continue
        if event.position <= begin:
            return
        if event.position in taken:
            if event.position in stream.endings:
                excused.add(event.conversation_id)
            else:
                excused.discard(event.conversation_id)
        elif event.conversation_id not in excused and event.position not in stream.optional:
            yield event


def main(arguments: Sequence[str]) -> int:
    """Check a recording that was kept."""
    recording, database = arguments
    violations = check(read_recording(Path(recording)), read_stored_log(database))
    for violation in violations:
        sys.stdout.write(f"{violation}\n")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
