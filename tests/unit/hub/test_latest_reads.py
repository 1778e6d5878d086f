from __future__ import annotations

from dataclasses import replace

from sanctum_messaging.domain.events import Signal, SignalKind
from sanctum_messaging.domain.model import DEFAULT_TENANT, ConversationId, Seq, UserId
from sanctum_messaging.hub.latest_reads import LatestReads


def read(seq: int, user: str = "ann", conversation: str = "c") -> Signal:
    return Signal(SignalKind.READ, DEFAULT_TENANT, ConversationId(conversation), UserId(user), seq=Seq(seq))


def test_the_first_passes_and_then_the_latest_once_a_second() -> None:
    reads = LatestReads()
    assert reads.admit(read(1), 0.0)
    assert not reads.admit(read(2), 0.1)
    assert not reads.admit(read(3), 0.9)
    assert reads.release(0.9) == []
    assert reads.release(1.0) == [read(3)]
    assert not reads.admit(read(4), 1.5)
    assert reads.release(2.0) == [read(4)]
    assert reads.release(3.0) == []
    assert reads.admit(read(5), 3.1)


def test_readers_and_conversations_do_not_hold_one_another_back() -> None:
    reads = LatestReads()
    assert reads.admit(read(1), 0.0)
    assert reads.admit(read(1, user="bob"), 0.0)
    assert reads.admit(read(1, conversation="d"), 0.0)
    assert reads.admit(replace(read(1), tenant=DEFAULT_TENANT + "2"), 0.0)  # type: ignore[arg-type] # any other text


def test_nothing_is_remembered_of_who_stopped() -> None:
    reads = LatestReads()
    for number in range(100):
        reads.admit(read(1, user=f"user-{number}"), 0.0)
    reads.release(1.0)
    assert (reads._told_at, reads._held) == ({}, {})
