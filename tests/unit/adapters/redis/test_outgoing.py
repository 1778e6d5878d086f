from __future__ import annotations

from dataclasses import replace

from sanctum_messaging.adapters.redis.contents import decode_events, decode_signals, encode_event
from sanctum_messaging.adapters.redis.counts import BusCounts
from sanctum_messaging.adapters.redis.envelope import Kind
from sanctum_messaging.adapters.redis.outgoing import Outgoing, Sheet
from sanctum_messaging.adapters.redis.settings import BusSettings
from sanctum_messaging.domain.model import Position
from tests.unit.adapters.redis.happened import TAKEOVER, TYPING, committed, event_at

TAIL = Position(9)


class Queue(Outgoing):
    def __init__(self, **changes: int) -> None:
        self.counts = BusCounts()
        super().__init__(replace(BusSettings(), **changes), self.counts)

    def ranges(self) -> list[tuple[int, int]]:
        return [(sheet.header.first, sheet.header.last) for sheet in self.take(TAIL, 0.0)]


def positions(sheet: Sheet) -> list[int]:
    return [event.position for event in decode_events(sheet.content)]


def test_contiguous_commits_share_an_envelope_and_others_do_not() -> None:
    queue = Queue()
    for run in ([1], [2, 3], [5, 6], [7]):
        queue.add(committed(run))
    sheets = queue.take(TAIL, 0.0)
    assert [positions(sheet) for sheet in sheets] == [[1, 2, 3], [5, 6, 7]]
    assert [(s.header.first, s.header.last, s.header.tag) for s in sheets] == [(1, 3, "00000000"), (5, 7, "00000004")]


def test_a_commit_on_another_log_is_not_joined_to_the_one_before() -> None:
    queue = Queue()
    queue.add(committed([1]))
    queue.add(replace(committed([2]), before=replace(committed([2]).before, tag="ffffffff")))
    assert [sheet.header.tag for sheet in queue.take(TAIL, 0.0)] == ["00000000", "ffffffff"]


def test_an_envelope_is_bounded_in_events_and_in_bytes_and_holds_at_least_one() -> None:
    queue = Queue(envelope_events=3)
    queue.add(committed(range(1, 8)))
    assert queue.ranges() == [(1, 3), (4, 6), (7, 7)]
    size = len(encode_event(event_at(1)))
    queue = Queue(envelope_bytes=2 * size)
    queue.add(committed(range(1, 4)))
    queue.add(committed([4], "x" * 3 * size))
    assert queue.ranges() == [(1, 2), (3, 3), (4, 4)]


def test_the_largest_round_gets_through_a_slow_link_in_time() -> None:
    queue = Queue()
    queue.add(committed(range(1, 501), "x" * 8_000))
    assert 400_000 < sum(len(sheet.content) for sheet in queue.take(TAIL, 0.0)) < 10_000_000 / 8 / 2


def test_a_round_is_bounded_and_signals_wait_for_the_events_before_them() -> None:
    queue = Queue(envelope_events=1, round_envelopes=2)
    queue.add(committed([1, 2, 3]))
    queue.add_hint(TYPING, 0.0)
    assert queue.ranges() == [(1, 1), (2, 2)]
    events, signals = queue.take(TAIL, 0.0)
    assert positions(events) == [3]
    assert (signals.header.kind, signals.header.last, decode_signals(signals.content)) == (Kind.SIGNALS, TAIL, [TYPING])


def test_hints_keep_their_order_and_expire() -> None:
    queue = Queue()
    for hint in (TYPING, TYPING, TAKEOVER, TYPING):
        queue.add_hint(hint, 5.0)
    assert [sheet.header.kind for sheet in queue.take(TAIL, 6.0)] == [Kind.SIGNALS, Kind.TAKEOVERS, Kind.SIGNALS]
    queue.add_hint(TYPING, 5.0)
    assert queue.take(TAIL, 6.1) == []
    assert queue.counts.expired == 1


def test_a_heartbeat_is_sent_once_however_often_it_was_due() -> None:
    queue = Queue()
    queue.add_beat()
    queue.add_beat()
    assert [(sheet.header.kind, sheet.header.last) for sheet in queue.take(TAIL, 0.0)] == [(Kind.HEARTBEAT, 1)]
    assert queue.take(TAIL, 0.0) == []
    queue.add_beat()
    assert queue.take(TAIL, 0.0)[0].header.last == 2


def test_what_is_too_much_is_dropped_the_oldest_first() -> None:
    queue = Queue(max_events=4)
    queue.add(committed([1, 2, 3]))
    queue.add(committed([4, 5, 6]))
    assert queue.ranges() == [(3, 6)]
    size = len(encode_event(event_at(1)))
    queue = Queue(max_event_bytes=3 * size)
    queue.add(committed(range(1, 6)))
    assert queue.ranges() == [(3, 5)]
    assert queue.counts.overflow == 2


def test_what_comes_back_is_sent_before_all_others_within_the_bounds() -> None:
    queue = Queue(max_events=4, envelope_events=2)
    queue.add(committed([1, 2, 3]))
    queue.add_hint(TYPING, 0.0)
    queue.add_beat()
    taken = queue.take(TAIL, 0.0)
    queue.add(committed([4, 5]))
    queue.put_back(taken)
    assert queue.ranges() == [(2, 3), (4, 5)]
    assert queue.counts.overflow == 1
    queue.put_back([])
    assert queue.take(TAIL, 0.0) == []
    queue.add(committed([6]))
    assert queue.ranges() == [(6, 6)]
