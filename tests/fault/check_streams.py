"""K8: each stream once, in order and complete, over all sockets and polls."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fault.history import Reader, Recording, Violation, position_of
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
        yield from _check_complete(reader, log)


def _check_lives(recording: Recording) -> Iterator[Violation]:
    """Where Redis was left alone, no session is ever forgotten; else a client may have to begin again."""
    if any(fault.fault.startswith("redis") for fault in recording.faults):
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
