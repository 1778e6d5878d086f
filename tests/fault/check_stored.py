"""K1 to K3: what is stored, once, and in one order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.fault.history import Operation, Recording, Violation, position_of
from tests.fault.log import Log, LoggedEvent, StoredMessage
from tests.fault.recorder import Delivered, Marked

REUSED = "client_message_id_reused"


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
    yield from _check_keys(recording, log)


def check_order(recording: Recording, log: Log) -> Iterator[Violation]:
    """K3: one gapless order, the same for all who read it, and that of real time."""
    yield from _check_numbers(log)
    rows = log.rows
    for reader in recording.readers:
        for segment in reader.segments:
            for frame in segment.frames:
                if isinstance(frame, Delivered) and not _is_same(frame, rows.get(position_of(frame.cursor))):
                    yield Violation("K3", f"{reader.name} was given {frame}, which is not what the log holds there")
                elif isinstance(frame, Marked) and not _is_cursor(frame.cursor, rows):
                    yield Violation("K3", f"{reader.name} was given the cursor {frame.cursor}, which is not in the log")
    yield from _check_real_time(recording)


def _check_keys(recording: Recording, log: Log) -> Iterator[Violation]:
    """However often its creation was asked for with one key, it is one conversation."""
    founded: dict[tuple[str, str], set[str]] = defaultdict(set)
    for create in recording.of("create"):
        if create.outcome == "ok" and create.call.client_message_id:
            founded[create.user, create.call.client_message_id].add(create.result.conversation_id)
    for key, told in founded.items():
        if len(told) > 1:
            yield Violation("K2", f"{key} was acknowledged as different conversations: {sorted(told)}")
    asked = {(create.user, create.call.client_message_id or create.called) for create in recording.of("create")}
    there = sum(event.kind == "conversation.created" for event in log.events)
    if there > len(asked):
        yield Violation("K2", f"{there} conversations were created, and {len(asked)} asked for")


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
