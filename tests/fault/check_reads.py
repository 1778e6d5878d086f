"""K4 to K6: what is read is no more than one may see, no less than was acknowledged, and counted right."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.fault.history import Operation, Recording, Violation, position_of
from tests.fault.log import Interval, Log
from tests.fault.recorder import Delivered

MOST_LISTED = 200
"""Conversations of one page of a list; with so many, there may be others."""


def check_removals(recording: Recording, log: Log) -> Iterator[Violation]:
    """K4: nothing of a conversation is delivered outside memberships, and calls after a removal find nothing."""
    rows = log.rows
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
    """K5: whatever is read after an acknowledgement, on whichever instance, shows what was acknowledged."""
    yield from _check_pages(recording, log)
    yield from _check_versions(recording)
    yield from _check_ends(recording, log)
    yield from _check_lists(recording, log)
    yield from _check_calls_of_members(recording, log)


def _check_pages(recording: Recording, log: Log) -> Iterator[Violation]:
    """A page of messages reaches at least as far as what was acknowledged, and leaves nothing out."""
    sends: dict[str, list[Operation]] = defaultdict(list)
    for send in recording.of("send"):
        if send.outcome == "ok":
            sends[send.call.conversation_id].append(send)
    for made in sends.values():
        made.sort(key=_seq_told)
    for page in recording.of("messages"):
        conversation_id, seqs = page.call.conversation_id, page.result.seqs
        readable = log.readable(page.user, conversation_id) if page.outcome == "ok" else None
        if readable is None:
            continue
        last = max(seqs, default=0)
        behind = sends[conversation_id][bisect_right(sends[conversation_id], last, key=_seq_told) :]
        told = [_seq_told(each) for each in behind if each.answered < page.called]
        if not set(told).isdisjoint(readable):
            yield Violation("K5", f"{page.client} read {conversation_id} up to {last}; {max(told)} was acknowledged")
        expected = tuple(readable[bisect_left(readable, seqs[0]) : bisect_right(readable, last)] if seqs else ())
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
            joined = log.last_join(page.user, line.conversation_id, upto)
            if not least <= line.read_seq <= max(most, least, joined):
                meaning = f"marker of {page.user} in {line.conversation_id} stands at {line.read_seq}"
                yield Violation("K6", f"the {meaning}, not within {least}..{max(most, least, joined)}")


def _check_versions(recording: Recording) -> Iterator[Violation]:
    """An edit that was acknowledged is in every later page."""
    edits: dict[str, list[Operation]] = defaultdict(list)
    for edit in recording.of("edit"):
        if edit.outcome == "ok":
            edits[edit.call.conversation_id].append(edit)
    for page in recording.of("messages"):
        shown = dict(zip(page.result.seqs, page.result.versions, strict=False))
        for edit in edits[page.call.conversation_id]:
            seq, version = edit.result.seq, edit.result.version
            if edit.answered < page.called and shown.get(seq, version) < version:
                yield Violation("K5", f"{page.client} read version {shown[seq]} of {seq}; {version} was acknowledged")


def _check_ends(recording: Recording, log: Log) -> Iterator[Violation]:
    """A stream that is complete, and a list, are not behind what had been acknowledged before they were asked for."""
    acknowledged = sorted(_acknowledged(recording, log))
    reached, index = 0, 0
    for read in sorted(recording.of("hello", "sync", "conversations"), key=lambda each: each.called):
        while index < len(acknowledged) and acknowledged[index][0] < read.called:
            reached = max(reached, acknowledged[index][1])
            index += 1
        if read.outcome == "ok" and read.result.cursor and position_of(read.result.cursor) < reached:
            meaning = f"was told that {read.result.cursor} is all; {reached} was acknowledged before"
            yield Violation("K5", f"{read.client} asked by {read.call.action} and {meaning}")


def _acknowledged(recording: Recording, log: Log) -> Iterator[tuple[float, int]]:
    """List when which positions were acknowledged."""
    for each in recording.of("send", "edit", "create"):
        if each.outcome != "ok":
            continue
        if each.call.action == "create":
            events = log.by_conversation.get(each.result.conversation_id)
            position = events[0].position if events else None
        else:
            version = each.result.version if each.call.action == "edit" else 1
            position = log.positions.get((each.result.message_id, version))
        if position is not None:
            yield each.answered, position


def _check_lists(recording: Recording, log: Log) -> Iterator[Violation]:
    """A list shows the conversations of its moment, as far as they had come by then."""
    for page in recording.of("conversations"):
        if page.outcome != "ok" or len(page.result.lines) >= MOST_LISTED:
            continue
        there = log.last_seqs(page.user, position_of(page.result.cursor))
        told = {line.conversation_id: line.last_seq for line in page.result.lines}
        if told != there:
            wrong = sorted(told.items() ^ there.items())
            yield Violation("K5", f"the list of {page.client} at {page.result.cursor} is wrong about {wrong}")


def _check_calls_of_members(recording: Recording, log: Log) -> Iterator[Violation]:
    """Who has been added, as was acknowledged, is not told that there is nothing."""
    joins: dict[tuple[str, str], list[float]] = defaultdict(list)
    for place, answered in _joins(recording, log):
        joins[place].append(answered)
    endings: dict[str, list[Operation]] = defaultdict(list)
    for ending in recording.of("remove", "destroy"):
        endings[ending.call.conversation_id].append(ending)
    for each in recording.of("messages", "send", "read"):
        place = (each.call.conversation_id, each.user)
        if each.code == "not_found" and any(
            answered < each.called and not _may_be_over(each, endings[place[0]], since=answered)
            for answered in joins[place]
        ):
            yield Violation("K5", f"{each.user} was added to {each.call.conversation_id}, and then did not find it")


def _joins(recording: Recording, log: Log) -> Iterator[tuple[tuple[str, str], float]]:
    """List who was told to be in which conversation, and when that was acknowledged."""
    for add in recording.of("add"):
        if add.outcome == "ok":
            yield (add.call.conversation_id, add.call.target), add.answered
    for create in recording.of("create"):
        for event in log.by_conversation.get(create.result.conversation_id, ())[:1]:
            yield from (((event.conversation_id, user), create.answered) for user in event.joins)


def _may_be_over(call: Operation, endings: Sequence[Operation], *, since: float) -> bool:
    """Tell whether any ending of his conversation may have ended the caller's membership by the end of his call."""
    return any(
        ending.call.target in {"", call.user} and ending.called < call.answered and ending.answered > since
        for ending in endings
    )


def _check_calls_of_removed(recording: Recording) -> Iterator[Violation]:
    adds: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for add in recording.of("add"):
        adds[add.call.target, add.call.conversation_id].append(add)
    calls: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for each in recording.operations:
        if each.outcome == "ok":
            calls[each.user, each.call.conversation_id].append(each)
    for removal in recording.of("remove"):
        user, conversation_id = place = (removal.call.target, removal.call.conversation_id)
        for each in calls[place] if removal.outcome == "ok" else ():
            again = any(add.called < each.answered and add.answered > removal.called for add in adds[place])
            if not again and each.called > removal.answered:
                yield Violation("K4", f"{user} was removed from {conversation_id}, and then did {each.call}")


def _check_memberships(log: Log, stored: Mapping[tuple[str, str], Sequence[Interval]]) -> Iterator[Violation]:
    derived = log.intervals
    for key in sorted(derived.keys() | stored.keys()):
        if list(derived.get(key, ())) != list(stored.get(key, ())):
            yield Violation("K4", f"the log says {key} was in at {derived.get(key)}, the table {stored.get(key)}")


def _ended_before(operation: Operation, at: float) -> bool:
    return operation.outcome == "ok" and operation.answered < at


def _seq_told(send: Operation) -> int:
    return send.result.seq
