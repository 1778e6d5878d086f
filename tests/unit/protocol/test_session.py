from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.protocol.codec import RefusedFrameError
from sanctum_messaging.protocol.codes import CloseCode
from sanctum_messaging.protocol.frames import (
    Ack,
    AnyClientFrame,
    Auth,
    Bye,
    Hello,
    Ping,
    Pong,
    Read,
    Send,
    Typing,
)
from sanctum_messaging.protocol.session import Due, Phase, ServerSession

if TYPE_CHECKING:
    from collections.abc import Callable

OTHERS: list[AnyClientFrame] = [
    Send(id="1", conversation_id="c", client_message_id="a", body="b"),
    Read(conversation_id="c", seq=1),
    Typing(conversation_id="c", on=True),
    Ack(cursor="1-00000001"),
    Auth(token="t"),
    Ping(),
    Pong(),
]


@pytest.fixture
def session() -> ServerSession:
    return ServerSession(100.0, heartbeat_seconds=20, hello_seconds=10)


@pytest.fixture
def welcomed(session: ServerSession) -> ServerSession:
    session.welcome(101.0, 5)
    return session


class TestWhatIsLegalWhen:
    @pytest.mark.parametrize("frame", OTHERS)
    def test_before_the_welcome_only_hello_and_bye_are(self, session: ServerSession, frame: AnyClientFrame) -> None:
        session.check_expected(Hello())
        session.check_expected(Bye())
        with pytest.raises(RefusedFrameError) as refused:
            session.check_expected(frame)
        assert (refused.value.code, refused.value.frame_id) == ("unexpected_frame", frame.id)

    @pytest.mark.parametrize("frame", [*OTHERS, Bye()])
    def test_after_the_welcome_all_but_hello_are(self, welcomed: ServerSession, frame: AnyClientFrame) -> None:
        welcomed.check_expected(frame)
        with pytest.raises(RefusedFrameError):
            welcomed.check_expected(Hello(id="2"))


def after(session: ServerSession, *steps: Callable[[], None]) -> list[tuple[Phase, bool]]:
    """Take steps; list where they lead, and whether ``live`` is to be announced there."""
    seen = []
    for step in steps:
        step()
        seen.append((session.phase, session.announces_live))
    return seen


class TestPhases:
    def test_run_from_hello_to_live_and_back(self, session: ServerSession) -> None:
        assert session.phase is Phase.OPENING
        assert after(session, lambda: session.welcome(101.0, 5), session.go_live, session.fall_behind) == [
            (Phase.CATCHING_UP, False),
            (Phase.LIVE, True),
            (Phase.CATCHING_UP, False),
        ]

    def test_live_is_announced_exactly_once(self, welcomed: ServerSession) -> None:
        """Who falls behind before it was told is told later; who was told is not told again."""
        steps = (welcomed.go_live, welcomed.fall_behind, welcomed.go_live, welcomed.note_announced)
        assert [due for _, due in after(welcomed, *steps)] == [True, False, True, False]
        assert [due for _, due in after(welcomed, welcomed.fall_behind, welcomed.go_live)] == [False, False]

    def test_nothing_leads_out_of_closing(self, welcomed: ServerSession) -> None:
        welcomed.close()
        welcomed.fall_behind()
        welcomed.go_live()
        assert welcomed.phase is Phase.CLOSING

    def test_starting_over_goes_back_to_catching_up(self, welcomed: ServerSession) -> None:
        welcomed.go_live()
        welcomed.start_over(2)
        assert welcomed.phase is Phase.CATCHING_UP

    def test_where_it_starts_over_is_still_to_be_acknowledged(self, welcomed: ServerSession) -> None:
        welcomed.start_over(2)
        assert [welcomed.acknowledge(2, sent=2) for _ in range(2)] == [True, False]


class TestAcknowledgements:
    def test_are_cumulative_and_never_go_back(self, welcomed: ServerSession) -> None:
        assert welcomed.acknowledge(8, sent=9)
        assert not welcomed.acknowledge(7, sent=9)
        assert not welcomed.acknowledge(8, sent=9)
        assert welcomed.acked == 8

    def test_above_what_was_sent_are_refused(self, welcomed: ServerSession) -> None:
        with pytest.raises(RefusedFrameError) as refused:
            welcomed.acknowledge(10, sent=9)
        assert (refused.value.code, welcomed.acked) == ("ack_ahead", 5)


class TestTime:
    def test_without_a_hello_it_is_up_after_10_seconds(self, session: ServerSession) -> None:
        assert session.find_due(109.9, listening=True) is None
        session.heard(109.9)
        assert session.find_due(110.0, listening=True) is CloseCode.HELLO_TIMEOUT

    def test_a_hello_that_is_being_looked_into_is_in_time(self, session: ServerSession) -> None:
        assert session.find_due(120.0, listening=False) is None

    def test_asks_for_a_ping_every_interval(self, welcomed: ServerSession) -> None:
        due = []
        for second in range(102, 181):
            welcomed.heard(second)
            due.append((second, welcomed.find_due(second, listening=True)))
        assert [second for second, each in due if each is Due.PING] == [121, 141, 161]

    def test_two_intervals_of_silence_close(self, welcomed: ServerSession) -> None:
        due = [welcomed.find_due(second, listening=True) for second in range(102, 142)]
        assert due[-1] is CloseCode.HEARTBEAT
        assert CloseCode.HEARTBEAT not in due[:-1]

    def test_any_frame_counts_as_a_sign_of_life(self, welcomed: ServerSession) -> None:
        for second in range(102, 300):
            if second % 39 == 0:
                welcomed.heard(second)
            assert welcomed.find_due(second, listening=True) in {None, Due.PING}

    def test_who_leaves_a_ping_unanswered_is_doubtful(self, welcomed: ServerSession) -> None:
        assert [welcomed.find_due(second, listening=True) for second in (111, 121)] == [None, Due.PING]
        assert not welcomed.is_doubtful(125.9)
        assert welcomed.is_doubtful(126)
        welcomed.heard(127)
        assert not welcomed.is_doubtful(140)

    def test_nobody_is_dead_whom_we_did_not_listen_to(self, welcomed: ServerSession) -> None:
        for second in range(102, 300):
            assert welcomed.find_due(second, listening=False) in {None, Due.PING}
        assert welcomed.find_due(300, listening=True) in {None, Due.PING}

    def test_nobody_is_dead_because_the_process_stood_still(self, welcomed: ServerSession) -> None:
        assert welcomed.find_due(500, listening=True) is Due.PING
        assert welcomed.find_due(501, listening=True) is None
