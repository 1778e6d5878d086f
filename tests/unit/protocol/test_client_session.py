from __future__ import annotations

import msgspec
import pytest

from sanctum_messaging.protocol.client_session import ClientSession, Received, ReceivedEvent, Reply
from sanctum_messaging.protocol.frames import ClientInfo, Resync, Welcome


def say(session: ClientSession, **frame: object) -> Received | None:
    return session.receive(msgspec.json.encode(frame))


def event(session: ClientSession, position: int, seq: int, conversation: str = "c") -> ReceivedEvent | None:
    frame = say(
        session,
        op="event",
        cursor=f"{position}-00000000",
        conversationId=conversation,
        seq=seq,
        type="message.created",
        actorId="ada",
        at="now",
        data={"message": {"body": "Hello", "newField": 1}},
        newField=1,
    )
    assert frame is None or isinstance(frame, ReceivedEvent)
    return frame


def taken(session: ClientSession, position: int, seq: int, conversation: str = "c") -> None:
    received = event(session, position, seq, conversation)
    assert received is not None
    session.taken(received)


def welcome(session: ClientSession, cursor: str = "1-00000000", token: str = "r.1.s") -> None:
    limits = {"frameBytes": 1, "bodyCharacters": 1, "sendsInFlight": 1}
    frame = say(
        session,
        op="welcome",
        sessionId="s",
        resumeToken=token,
        resumed=False,
        cursor=cursor,
        user="ada",
        heartbeatMs=20_000,
        limits=limits,
        serverTime="now",
    )
    assert isinstance(frame, Welcome)


def resync(session: ClientSession, position: int) -> Resync:
    frame = say(session, op="resync", reason="diverged", cursor=f"{position}-00000000")
    assert isinstance(frame, Resync)
    return frame


@pytest.fixture
def session() -> ClientSession:
    return ClientSession(draw=lambda low, high: high)


class TestCursor:
    def test_starts_with_the_welcome(self, session: ClientSession) -> None:
        welcome(session)
        assert session.cursor == "1-00000000"

    def test_of_its_own_wins_over_the_welcome(self) -> None:
        session = ClientSession(cursor="9-00000000")
        welcome(session)
        assert session.cursor == "9-00000000"

    def test_moves_only_once_the_application_took_the_event(self, session: ClientSession) -> None:
        welcome(session)
        received = event(session, 2, 1)
        assert received is not None
        assert session.cursor == "1-00000000"
        session.taken(received)
        assert session.cursor == "2-00000000"

    def test_moves_with_heartbeats_but_not_past_what_was_not_taken(self, session: ClientSession) -> None:
        welcome(session)
        say(session, op="ping", cursor="5-00000000")
        assert session.cursor == "5-00000000"
        received = event(session, 6, 1)
        say(session, op="live", cursor="8-00000000")
        say(session, op="pong", cursor="9-00000000")
        assert session.cursor == "5-00000000"
        assert received is not None
        session.taken(received)
        assert session.cursor == "9-00000000"

    def test_events_are_to_be_taken_in_order(self, session: ClientSession) -> None:
        first, second = event(session, 2, 1), event(session, 3, 2)
        assert first is not None
        assert second is not None
        with pytest.raises(ValueError, match="first"):
            session.taken(second)
        session.taken(first)
        session.taken(second)
        with pytest.raises(ValueError, match="first"):
            session.taken(second)

    def test_goes_into_the_hello_with_the_resume_token(self, session: ClientSession) -> None:
        assert msgspec.json.decode(session.hello()) == {
            "op": "hello",
            "id": None,
            "token": None,
            "cursor": None,
            "resumeToken": None,
            "client": None,
        }
        welcome(session, token="r.2.s")
        hello = msgspec.json.decode(session.hello(token="t", client=ClientInfo("n")))
        assert (hello["token"], hello["cursor"], hello["resumeToken"]) == ("t", "1-00000000", "r.2.s")
        assert hello["client"] == {"name": "n", "version": ""}

    def test_is_acknowledged_as_far_as_it_was_taken(self, session: ClientSession) -> None:
        assert session.ack() is None
        welcome(session)
        event(session, 2, 1)
        acked = session.ack()
        assert acked is not None
        assert msgspec.json.decode(acked)["cursor"] == "1-00000000"


class TestRepeats:
    def test_are_dropped(self, session: ClientSession) -> None:
        taken(session, 2, 1)
        taken(session, 3, 2)
        assert event(session, 2, 1) is None
        assert event(session, 3, 2) is None
        assert session.cursor == "3-00000000"

    def test_are_counted_per_conversation_and_holes_mean_nothing(self, session: ClientSession) -> None:
        taken(session, 2, 7, "one")
        taken(session, 3, 1, "two")
        taken(session, 9, 12, "one")

    def test_what_is_still_being_handled_is_not_returned_again_after_a_reconnect(self, session: ClientSession) -> None:
        welcome(session)
        received = event(session, 2, 1)
        session.closed(4000)
        welcome(session)
        assert event(session, 2, 1) is None
        assert received is not None
        session.taken(received)
        assert session.cursor == "2-00000000"

    def test_are_forgotten_at_a_resync(self, session: ClientSession) -> None:
        """The log may be another one, with smaller numbers."""
        taken(session, 20, 9)
        lost = resync(session, 3)
        after = event(session, 4, 2)
        assert session.cursor == "20-00000000"
        session.taken(lost)
        assert session.cursor == "3-00000000"
        assert after is not None
        session.taken(after)
        assert session.cursor == "4-00000000"


class TestOtherFrames:
    def test_unknown_ops_and_fields_are_ignored(self, session: ClientSession) -> None:
        assert say(session, op="hologram", x=1) is None
        assert say(session, op="drain", reconnectInMs=5, because="x") is not None

    def test_replies_come_with_their_result_or_problem(self, session: ClientSession) -> None:
        done = say(session, op="ok", id="1", result={"message": {}}, replayed=True)
        assert isinstance(done, Reply)
        assert (done.op, done.id, done.replayed, bytes(done.result)) == ("ok", "1", True, b'{"message":{}}')
        problem = {
            "type": "t",
            "title": "T",
            "status": 404,
            "code": "not_found",
            "detail": "d",
            "requestId": "r",
            "retryable": False,
        }
        refused = say(session, op="error", problem=problem)
        assert isinstance(refused, Reply)
        assert refused.problem is not msgspec.UNSET
        assert (refused.id, refused.problem.code) == (msgspec.UNSET, "not_found")

    def test_a_ping_is_answered_by_a_pong(self, session: ClientSession) -> None:
        assert msgspec.json.decode(session.pong())["op"] == "pong"


class TestReconnects:
    def test_wait_longer_and_longer_up_to_30_seconds(self, session: ClientSession) -> None:
        waits = [session.closed(4001) for _ in range(9)]
        assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]

    def test_jitter_reaches_down_to_nothing(self) -> None:
        session = ClientSession(draw=lambda low, high: low)
        assert session.closed(1006) == 0

    def test_a_welcome_ends_the_waiting(self, session: ClientSession) -> None:
        session.closed(4001)
        session.closed(4001)
        welcome(session)
        assert session.closed(4001) == 0.5

    def test_never_before_what_the_server_asked_for(self, session: ClientSession) -> None:
        assert session.closed(4000, retry_after=12.5) == 12.5

    @pytest.mark.parametrize("code", [1000, 4500, 4501, 4503, 4504, 4505, 4506])
    def test_there_are_none_after_these(self, session: ClientSession, code: int) -> None:
        assert session.closed(code) is None


class TestRoom:
    def test_nothing_is_taken_any_more_once_an_event_found_none(self) -> None:
        session = ClientSession(max_waiting=2, draw=lambda low, high: high)
        welcome(session)
        first, second = event(session, 2, 1), event(session, 3, 2)
        assert not session.has_room
        assert event(session, 3, 2) is None, "a repeat needs no room"
        assert event(session, 4, 3) is None
        assert session.is_cut
        assert first is not None
        assert second is not None
        session.taken(first)
        assert event(session, 5, 4) is None, "event 4 would be missing before it"
        say(session, op="ping", cursor="6-00000000")
        session.taken(second)
        assert session.cursor == "3-00000000"

    def test_the_next_socket_goes_on_where_it_was_cut(self) -> None:
        session = ClientSession(max_waiting=1)
        welcome(session)
        first = event(session, 2, 1)
        assert event(session, 3, 2) is None
        assert say(session, op="resync", reason="diverged", cursor="9-00000000") is None
        assert first is not None
        session.taken(first)
        assert msgspec.json.decode(session.hello())["cursor"] == "2-00000000"
        welcome(session, cursor="2-00000000")
        taken(session, 3, 2)


class TestSocketsOneAfterTheOther:
    def test_a_bare_cursor_that_is_older_than_what_was_received_does_not_count(self, session: ClientSession) -> None:
        welcome(session)
        first, second = event(session, 2, 1), event(session, 3, 2)
        assert first is not None
        assert second is not None
        welcome(session)
        session.taken(first)
        session.taken(second)
        say(session, op="ping", cursor="2-00000000")
        assert session.cursor == "3-00000000"
        assert event(session, 2, 1) is None
        say(session, op="ping", cursor="2-00000000")
        assert session.cursor == "3-00000000"
        assert event(session, 3, 2) is None
        say(session, op="live", cursor="5-00000000")
        assert session.cursor == "5-00000000"

    def test_it_is_live_once_the_replay_was_handled(self, session: ClientSession) -> None:
        welcome(session)
        received = event(session, 2, 1)
        say(session, op="live", cursor="2-00000000")
        assert received is not None
        assert not session.is_live
        welcome(session)
        session.taken(received)
        assert not session.is_live, "that was the socket before"
        say(session, op="live", cursor="2-00000000")
        assert session.is_live

    def test_of_one_that_is_being_left_only_answers_count(self, session: ClientSession) -> None:
        welcome(session)
        for frame in ({"op": "live", "cursor": "9-00000000"}, {"op": "resync", "reason": "diverged", "cursor": "9-0"}):
            assert session.receive_beside(msgspec.json.encode(frame)) is None
        answer = session.receive_beside(msgspec.json.encode({"op": "ok", "id": "1", "result": {}}))
        assert isinstance(answer, Reply)
        assert session.cursor == "1-00000000"


def test_the_service_may_ask_for_a_token(session: ClientSession) -> None:
    assert say(session, op="authRequired", expiresAt="2026-01-01T00:00:00Z") is not None


def test_what_may_be_lost_may_also_be_of_a_newer_form(session: ClientSession) -> None:
    assert say(session, op="signal", type="presence", conversationId="c", userId="u") is None
    with pytest.raises(msgspec.ValidationError):
        say(session, op="event", cursor="1-00000000")
