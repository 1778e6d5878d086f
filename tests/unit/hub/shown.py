"""What a stream shows of a whole log (docs/protocol.md), and whether a socket was handed that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanctum_messaging.domain.events import (
    ConversationChange,
    Event,
    EventKind,
    Interval,
    MessageChange,
    ParticipantChange,
)
from sanctum_messaging.domain.model import Cursor, Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sanctum_messaging.domain.model import ConversationId
    from tests.unit.hub.scene import Visitor
    from tests.unit.hub.witness import Witness


Known = tuple[set[str], set[str], dict[str, Position]]
"""What is due to somebody of a log, what is allowed, and where it stands."""


@dataclass(slots=True)
class Shown:
    """Events by their cursors. What is allowed and not due was shown to who was there in time, and to nobody later."""

    due: set[str] = field(default_factory=set)
    allowed: set[str] = field(default_factory=set)


def memberships(log: Iterable[Event], name: str) -> dict[ConversationId, list[Interval]]:
    """Find somebody's intervals in each conversation."""
    found: dict[ConversationId, list[Interval]] = {}
    for event in log:
        intervals = found.setdefault(event.conversation_id, [])
        match event.body:
            case ConversationChange(participants=participants) if any(each.user_id == name for each in participants):
                intervals.append(Interval(event.seq))
            case ParticipantChange(participant=participant) if participant.user_id == name:
                if event.kind is EventKind.PARTICIPANT_ADDED:
                    intervals.append(Interval(event.seq))
                elif event.kind is EventKind.PARTICIPANT_REMOVED:
                    intervals[-1] = Interval(intervals[-1].first, event.seq)
    return found


def find_shown(log: Sequence[Event], name: str, *, joined_only: ConversationId) -> Shown:
    """Find what somebody is shown; ``joined_only`` never showed anybody what was said before he came."""
    shown = Shown()
    intervals = memberships(log, name)
    for event in log:
        own = intervals[event.conversation_id]
        inside = [each for each in own if each.contains(event.seq)]
        if not inside or (isinstance(event.body, ParticipantChange) and _is_of_another(event.body, name)):
            continue
        cursor = str(event.cursor)
        if isinstance(event.body, MessageChange) and event.kind is not EventKind.MESSAGE_CREATED:
            created = event.body.message.seq
            if not any(each.contains(created) for each in own):
                if event.conversation_id != joined_only:
                    shown.allowed.add(cursor)
                continue
        shown.allowed.add(cursor)
        last = inside[-1]
        if last.last is None or (last == own[-1] and event.seq == last.last):
            shown.due.add(cursor)
    return shown


def _is_of_another(change: ParticipantChange, name: str) -> bool:
    return change.private and change.participant.user_id != name


def check_visitor(visitor: Visitor, shown_by_epoch: Sequence[Known]) -> None:
    """Check all that a device was handed, on all its sockets."""
    for witness, (cursor, _) in zip(visitor.witnesses, visitor.hellos, strict=True):
        assert witness.faults == [], witness.faults
        assert sum(each.frame.op == "live" for each in witness.frames) <= 1
        _check_socket(witness, cursor, shown_by_epoch)


def _check_socket(witness: Witness, cursor: str | None, shown_by_epoch: Sequence[Known]) -> None:
    reached: int | None = None
    missing: list[tuple[int, str]] = []
    for number, each in enumerate(witness.frames):
        frame, (due, allowed, positions) = each.frame, shown_by_epoch[each.epoch]
        if frame.cursor is None:
            continue
        position = Cursor.parse(frame.cursor).position
        if frame.op in {"welcome", "resync"}:
            if frame.op == "welcome":
                assert reached is None, "welcomed once"
                follows = witness.frames[number + 1 :]
                lost = any(later.frame.op == "resync" for later in follows)
                assert lost or cursor in {None, frame.cursor}, "goes on elsewhere"
            reached = position
            missing = sorted((positions[event], event) for event in due if positions[event] > position)
        elif frame.op == "event":
            assert reached is not None, "an event before the welcome"
            assert position > reached, "once and in order"
            assert frame.cursor in allowed, "none of his business"
            while missing and missing[0][0] < position:
                raise AssertionError(f"{missing[0]} is missing before {frame}")
            if missing and missing[0][0] == position:
                missing.pop(0)
            reached = position
        else:
            assert reached is not None, "a cursor before the welcome"
            assert position >= reached, "a cursor goes back"
            assert not missing or missing[0][0] > position, f"{frame} comes before {missing[:1]}"
            reached = position
