"""K8: each stream once, in order and complete, over all sockets and polls."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.fault.history import NEVER, Reader, Recording, Violation, position_of
from tests.fault.log import Log, LoggedEvent, Stream
from tests.fault.recorder import Delivered


def check_streams(recording: Recording, log: Log) -> Iterator[Violation]:
    """K8: what a client took is its stream from where it began, exactly once, in order, across all its sockets."""
    for resync in recording.resyncs:
        yield Violation("K8", f"{resync.client} was told to start over ({resync.reason}), and nothing had been lost")
    yield from _check_lives(recording)
    for reader in recording.readers:
        yield from _check_sockets(reader)
        yield from _check_taken(reader)
        yield from _check_complete(reader, recording, log)


def _check_lives(recording: Recording) -> Iterator[Violation]:
    """Where Redis was left alone and could be asked in time, no session is ever forgotten."""
    if any(fault.fault.startswith(("redis", "instance_paused")) for fault in recording.faults):
        return
    seen: set[str] = set()
    for reader in recording.readers:
        if reader.name in seen:
            yield Violation("K8", f"{reader.name} came back with its token, and its session was forgotten")
        seen.add(reader.name)


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


def _check_complete(reader: Reader, recording: Recording, log: Log) -> Iterator[Violation]:
    """No gap between sockets, none in what was taken, and none at the end."""
    if not reader.segments:
        return
    reached = position_of(reader.segments[0].start)
    for segment in reader.segments:
        if position_of(segment.start) > reached:
            yield Violation("K8", f"{reader.name} had reached {reached} and was started at {segment.start}")
        reached = position_of(segment.start) if segment.asked is None else reached
        reached = max([reached, *(position_of(frame.cursor) for frame in segment.frames)])
    if reader.drained and reached < log.head:
        yield Violation("K8", f"{reader.name} drained its stream at {reached}; the log ends at {log.head}")
    excuses = _Excuses(reader, recording, log)
    for event in _missing(reader, log.stream(reader.user), excuses, end=reached):
        yield Violation("K8", f"{reader.name} never took {event}")


def _missing(reader: Reader, stream: Stream, excuses: _Excuses, *, end: int) -> Iterator[LoggedEvent]:
    """Find what was left out without an excuse."""
    begin = position_of(reader.segments[0].start)
    for event in reversed(stream.events):
        if event.position <= begin:
            return
        if event.position in stream.endings:
            excuses.pass_ending(event)
        taken = event.position in excuses.taken or event.position in stream.optional
        if event.position <= end and not taken and not excuses.may_be_left_out(event):
            yield event


class _Excuses:
    """Why a reader may have been given less than happened. To be asked for events from the last to the first.

    Of a conversation that a user is not in when his stream is read, only his last removal is shown. So what happened
    before a removal that he was told of may be missing, if it was read when that removal had been asked for.
    """

    def __init__(self, reader: Reader, recording: Recording, log: Log) -> None:
        frames = [frame for segment in reader.segments for frame in segment.frames]
        self.taken = {position_of(each.cursor) for each in frames if isinstance(each, Delivered) and each.taken}
        self._passed: list[tuple[int, float]] = []
        for frame in frames:
            if not self._passed or position_of(frame.cursor) > self._passed[-1][0]:
                self._passed.append((position_of(frame.cursor), frame.at))
        self._asked: dict[str, list[float]] = defaultdict(list)
        for each in sorted(recording.of("remove", "destroy"), key=lambda each: each.called):
            if each.outcome != "fail" and each.call.target in {"", reader.user}:
                self._asked[each.call.conversation_id].append(each.called)
        self._endings_before = Counter(
            event.conversation_id
            for event in log.stream(reader.user).events
            if event.position in log.stream(reader.user).endings
        )
        self._told: dict[str, float] = {}

    def pass_ending(self, event: LoggedEvent) -> None:
        """Note the end of a membership: the n-th of a conversation came about after n were asked for.

        It counts as told also if a later one was told in its place.
        """
        self._endings_before[event.conversation_id] -= 1
        before = self._endings_before[event.conversation_id]
        is_told = event.position in self.taken or self.may_be_left_out(event)
        if is_told and before < len(self._asked[event.conversation_id]):
            self._told[event.conversation_id] = self._asked[event.conversation_id][before]

    def may_be_left_out(self, event: LoggedEvent) -> bool:
        """Tell whether the removal that he was told of may have been there when the reader passed the event."""
        index = bisect_left(self._passed, event.position, key=lambda each: each[0])
        was_passed = index < len(self._passed)
        return was_passed and self._told.get(event.conversation_id, NEVER) <= self._passed[index][1]
