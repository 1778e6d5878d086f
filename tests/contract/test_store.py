"""What every store guarantees; a new adapter is added to the fixture ``store`` and to nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from sanctum_messaging.domain.events import (
    ConversationChange,
    EventKind,
    Interval,
    Memberships,
    MessageChange,
    NewEvent,
    ParticipantChange,
)
from sanctum_messaging.domain.model import (
    ORIGIN,
    ConversationId,
    ConversationKind,
    Cursor,
    HistoryVisibility,
    MessageId,
    Position,
    ReadMarker,
    Role,
    Seq,
    TenantId,
)
from sanctum_messaging.ports.log import (
    Answer,
    Appended,
    AppendedMessage,
    Change,
    ExpectedConversation,
    ExpectedMessage,
    ExpectedNoDirect,
    ExpectedParticipant,
    Idempotency,
)
from sanctum_messaging.ports.store import MessageBounds, MoveMarker, Store
from tests.support import TENANT, Arranged, user

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

END = Position(2**62)


@pytest.fixture
def arranged(store: Store) -> Arranged:
    return Arranged(store)


async def stream_of(store: Store, name: str, after: int = 0) -> list[tuple[int, str]]:
    """Read a user's whole stream, page by page, as (position, kind)."""
    head = await store.read_head()
    seen: list[tuple[int, str]] = []
    position = Position(after)
    while position < head.position:
        page = await store.read_stream(TENANT, user(name), after=position, upto=head.position, limit=3)
        seen += [(event.position, event.kind.value) for event in page.events]
        position = page.upto.position
    return seen


class TestAppendMessages:
    async def test_numbers_positions_and_seqs_without_holes(self, store: Store, arranged: Arranged) -> None:
        one = await arranged.create("ann", "bob")
        two = await arranged.create("bob")
        batch = await store.append_messages(
            [arranged.draft(one, "ann"), arranged.draft(two, "bob"), arranged.draft(one, "bob")]
        )
        assert [event.position for event in batch.committed.events] == [3, 4, 5]
        assert [event.seq for event in batch.committed.events] == [2, 2, 3]
        assert batch.committed.before.position == 2
        assert (await store.read_head()) == batch.committed.events[-1].cursor
        assert len({event.tag for event in await store.read_log(after=Position(0), limit=10)}) == 5

    async def test_what_was_appended_is_what_is_read(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann")
        body = 'Line\nquote " backslash \\ \x01 ünïcode 🙂 \u2028'
        metadata = '{ "a" : [1,2.50,{"b":null}] , "ü":"\\u0001" }'
        draft = arranged.draft(conversation, "ann", body, metadata=metadata)
        appended = await arranged.send_draft(draft)
        found = await store.find_message(TENANT, user("ann"), draft.id)
        assert found is not None
        assert found.message == appended.message
        assert (found.message.body, found.message.metadata) == (body, metadata)
        page = await store.read_stream(TENANT, user("ann"), after=Position(1), upto=Position(2), limit=10)
        assert page.events == (await store.read_log(after=Position(1), limit=10))
        assert page.events[0].body == MessageChange(appended.message)

    async def test_a_repeat_finds_the_first_and_writes_nothing(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann")
        first = await arranged.send_draft(arranged.draft(conversation, "ann", client_id="c1"))
        again = await arranged.send_draft(arranged.draft(conversation, "ann", client_id="c1"))
        assert again == AppendedMessage(first.message, replayed=True)
        assert (await store.read_head()).position == 2

    async def test_twins_in_one_batch_are_folded(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann")
        twins = [arranged.draft(conversation, "ann", client_id="c1") for _ in range(3)]
        other = arranged.draft(conversation, "ann", "Other words", client_id="c1")
        batch = await store.append_messages([*twins, other])
        stored = [each for each in batch.results if isinstance(each, AppendedMessage)]
        assert {each.message.id for each in stored} == {twins[0].id}
        assert [each.replayed for each in stored] == [False, True, True]
        assert isinstance(batch.results[3], ConflictError)
        assert len(batch.committed.events) == 1

    async def test_other_content_under_a_used_id_is_a_conflict_for_ever(self, arranged: Arranged) -> None:
        conversation = await arranged.create("ann")
        sent = await arranged.send_draft(arranged.draft(conversation, "ann", "first", client_id="c1"))
        await arranged.edit(sent.message, "edited")
        with pytest.raises(ConflictError) as refused:
            await arranged.send_draft(arranged.draft(conversation, "ann", "edited", client_id="c1"))
        assert refused.value.code == "client_message_id_reused"
        again = await arranged.send_draft(arranged.draft(conversation, "ann", "first", client_id="c1"))
        assert again.replayed
        assert again.message.body == "edited"

    async def test_client_ids_are_per_sender_and_conversation(self, arranged: Arranged) -> None:
        one = await arranged.create("ann", "bob")
        two = await arranged.create("ann")
        for conversation, sender in ((one, "ann"), (one, "bob"), (two, "ann")):
            assert not (await arranged.send_draft(arranged.draft(conversation, sender, client_id="c1"))).replayed

    async def test_each_send_fails_alone(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "eve", roles={"eve": Role.OBSERVER})
        drafts = [
            arranged.draft(conversation, "ann"),
            arranged.draft(conversation, "mallory"),
            arranged.draft(ConversationId("unknown"), "ann"),
            arranged.draft(conversation, "eve"),
            replace(arranged.draft(conversation, "eve"), any_rank=True),
            replace(arranged.draft(conversation, "ann"), tenant=TenantId("other")),
            arranged.draft(conversation, "ann", reply_to=MessageId("unknown")),
            arranged.draft(conversation, "ann"),
        ]
        batch = await store.append_messages(drafts)
        kinds = [type(each) for each in batch.results]
        assert kinds == [
            AppendedMessage,
            NotFoundError,
            NotFoundError,
            ForbiddenError,
            AppendedMessage,
            NotFoundError,
            InvalidError,
            AppendedMessage,
        ]
        assert [event.seq for event in batch.committed.events] == [2, 3, 4]

    async def test_a_reply_goes_to_a_visible_message_of_the_same_conversation(self, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", visibility=HistoryVisibility.JOINED)
        elsewhere = await arranged.send(await arranged.create("ann"), "ann")
        old = await arranged.send(conversation, "ann")
        await arranged.add(conversation, "bob")
        seen = await arranged.send(conversation, "ann")
        assert (await arranged.send_draft(arranged.draft(conversation, "bob", reply_to=seen.id))).message.reply_to
        for sender, hidden in (("bob", old), ("bob", elsewhere), ("ann", elsewhere)):
            with pytest.raises(InvalidError):
                await arranged.send_draft(arranged.draft(conversation, sender, reply_to=hidden.id))
        open_to_all = await arranged.create("ann")
        with pytest.raises(InvalidError):
            await arranged.send_draft(arranged.draft(open_to_all, "ann", reply_to=elsewhere.id))

    async def test_nothing_is_sent_by_who_was_removed_or_to_what_was_deleted(self, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "bob")
        await arranged.remove(conversation, "bob")
        with pytest.raises(NotFoundError):
            await arranged.send(conversation, "bob")
        await arranged.delete_conversation(conversation, "ann")
        with pytest.raises(NotFoundError):
            await arranged.send(conversation, "ann")


class TestAppendChange:
    async def test_an_unmet_expectation_writes_nothing(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "bob")
        message = await arranged.send(conversation, "ann")
        event = NewEvent(EventKind.MESSAGE_UPDATED, conversation, user("ann"), arranged.at, MessageChange(message))
        unmet = (
            ExpectedConversation(conversation, 2),
            ExpectedConversation(conversation, 1, members_version=99),
            ExpectedParticipant(conversation, user("bob"), 2),
            ExpectedParticipant(conversation, user("mallory"), 1),
            ExpectedMessage(message.id, 2),
            ExpectedMessage(MessageId("unknown"), 1),
        )
        for expected in unmet:
            change = Change(TENANT, (expected,), (event,), Answer(created=True))
            outcome = await store.append_change(change)
            assert (outcome.result, outcome.committed) == ("stale", None), expected
        assert (await store.read_head()).position == 2

    async def test_met_expectations_let_the_change_through(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "bob")
        message = await arranged.send(conversation, "ann")
        participation = await store.find_participation(TENANT, user("ann"), conversation)
        assert participation is not None
        expected = (
            ExpectedConversation(conversation, 1, participation.members_version),
            ExpectedParticipant(conversation, user("bob"), 1),
            ExpectedParticipant(conversation, user("mallory"), 0),
            ExpectedMessage(message.id, 1),
            ExpectedNoDirect((user("ann"), user("bob"))),
        )
        body = ConversationChange(replace(participation.conversation, title="New", version=2))
        event = NewEvent(EventKind.CONVERSATION_UPDATED, conversation, user("ann"), arranged.at, body)
        appended = await arranged.change(event, expected=expected)
        assert [each.seq for each in appended] == [3]
        after = await store.find_participation(TENANT, user("ann"), conversation)
        assert after is not None
        assert (after.conversation.title, after.conversation.version, after.conversation.last_seq) == ("New", 2, 3)

    async def test_there_is_one_direct_conversation_between_two(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("bob", "ann", kind=ConversationKind.DIRECT)
        found = await store.find_direct(TENANT, (user("ann"), user("bob")))
        assert found is not None
        assert found.id == conversation
        assert await store.find_direct(TenantId("other"), (user("ann"), user("bob"))) is None
        change = Change(TENANT, (ExpectedNoDirect((user("ann"), user("bob"))),), (), Answer(created=True))
        assert (await store.append_change(change)).result == "stale"

    async def test_the_members_version_follows_who_is_in_it_and_as_what(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "bob")
        bob = (await store.find_participants(conversation, [user("bob")]))[user("bob")]

        async def members_version() -> int:
            participation = await store.find_participation(TENANT, user("ann"), conversation)
            assert participation is not None
            return participation.members_version

        versions = [await members_version()]
        await arranged.add(conversation, "cid")
        versions.append(await members_version())
        await arranged.participant_event(EventKind.PARTICIPANT_UPDATED, replace(bob, role=Role.ADMIN, version=2))
        versions.append(await members_version())
        await arranged.remove(conversation, "cid")
        versions.append(await members_version())
        assert versions == sorted(set(versions))
        await arranged.send(conversation, "ann")
        marked = replace(bob, role=Role.ADMIN, version=3, pinned=True)
        await arranged.participant_event(EventKind.PARTICIPANT_UPDATED, marked, private=True)
        assert await members_version() == versions[-1]

    async def test_an_idempotency_key_returns_the_first_answer(self, store: Store, arranged: Arranged) -> None:
        key = Idempotency(user("ann"), "k1", "print")
        conversation = await arranged.conversation(await arranged.create("ann"))
        answer = Answer(created=True, conversation=conversation)
        event = NewEvent(
            EventKind.CONVERSATION_UPDATED, conversation.id, user("ann"), arranged.at, ConversationChange(conversation)
        )
        first = await arranged.keep(key, answer, event)
        assert isinstance(first, Appended)
        assert not first.replayed
        again = await arranged.keep(key, Answer(created=False), event)
        assert again == Appended(answer, replayed=True)
        assert await store.find_idempotent(TENANT, key) == answer
        assert (await store.read_head()).position == 2
        with pytest.raises(InvalidError) as refused:
            await store.find_idempotent(TENANT, replace(key, fingerprint="other"))
        assert refused.value.code == "idempotency_key_reused"
        assert isinstance(await arranged.keep(replace(key, fingerprint="other"), answer), InvalidError)
        assert await store.find_idempotent(TENANT, replace(key, user_id=user("bob"))) is None

    async def test_an_idempotency_key_is_forgotten_after_a_day(self, store: Store, arranged: Arranged, clock) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - the fixture's class stands in conftest
        key = Idempotency(user("ann"), "k1", "print")
        await arranged.keep(key, Answer(created=True))
        clock.advance(24 * 3600 - 1)
        assert await store.forget_expired(clock.now()) == 0
        assert await store.find_idempotent(TENANT, key) is not None
        clock.advance(1)
        assert await store.find_idempotent(TENANT, key) is None
        assert await store.forget_expired(clock.now()) == 1

    async def test_joining_again_keeps_the_marker_and_opens_a_new_interval(
        self, store: Store, arranged: Arranged
    ) -> None:
        conversation = await arranged.create("ann", "bob")
        await arranged.send(conversation, "ann")
        await arranged.remove(conversation, "bob")
        assert await store.find_participation(TENANT, user("bob"), conversation) is None
        await arranged.send(conversation, "ann")
        await arranged.add(conversation, "bob", Role.ADMIN)
        participation = await store.find_participation(TENANT, user("bob"), conversation)
        assert participation is not None
        assert (participation.participant.role, participation.participant.version) == (Role.ADMIN, 3)
        (memberships,) = await store.read_memberships([(TENANT, user("bob"))])
        assert memberships.conversations == {conversation: (Interval(Seq(1), Seq(3)), Interval(Seq(5)))}
        assert memberships.head == await store.read_head()
        views, _ = await store.list_conversations(TENANT, user("bob"), before=None, limit=10)
        assert (views[0].read_seq, views[0].unread_count) == (5, 0)


class TestMemberships:
    async def test_tell_where_they_last_changed(self, store: Store, arranged: Arranged) -> None:
        async def changed_at() -> Position:
            (memberships,) = await store.read_memberships([(TENANT, user("bob"))])
            return memberships.changed_at

        assert await changed_at() == 0
        first = await arranged.create("ann", "bob")  # 1
        assert await changed_at() == 1
        await arranged.send(first, "bob")  # 2
        second = await arranged.create("ann")  # 3
        assert await changed_at() == 1
        await arranged.add(second, "bob")  # 4
        await arranged.send(first, "ann")  # 5
        assert await changed_at() == 4
        await arranged.remove(first, "bob")  # 6
        await arranged.send(second, "ann")  # 7
        assert await changed_at() == 6
        await arranged.add(first, "bob")  # 8
        await arranged.send(first, "bob")  # 9
        assert await changed_at() == 8
        await arranged.delete_conversation(second, "ann")  # 10
        await arranged.send(first, "ann")  # 11
        assert await changed_at() == 10

    async def test_of_one_who_is_in_nothing_any_more_tell_where_he_left(self, store: Store, arranged: Arranged) -> None:
        for _ in range(2):
            await arranged.remove(await arranged.create("ann", "bob"), "bob")
        (memberships,) = await store.read_memberships([(TENANT, user("bob"))])
        assert memberships == Memberships(await store.read_head(), {}, Position(4))

    async def test_of_many_are_read_as_of_one_end(self, store: Store, arranged: Arranged) -> None:
        both, own = await arranged.create("ann", "bob"), await arranged.create("bob")
        elsewhere = Arranged(store, TenantId("other"))
        foreign = await elsewhere.create("ann")
        wanted = [("other", "ann"), ("default", "nobody"), ("default", "bob"), ("default", "ann")]
        found = await store.read_memberships([(TenantId(tenant), user(name)) for tenant, name in wanted])
        assert [set(each.conversations) for each in found] == [{foreign}, set(), {both, own}, {both}]
        assert [each.changed_at for each in found] == [3, 0, 2, 1]
        assert {each.head for each in found} == {await store.read_head()}

    async def test_of_nobody_are_none(self, store: Store) -> None:
        assert list(await store.read_memberships([])) == []

    async def test_of_an_empty_log_are_empty(self, store: Store) -> None:
        assert list(await store.read_memberships([(TENANT, user("bob"))])) == [Memberships(ORIGIN, {}, Position(0))]


class TestStream:
    async def test_shows_the_intervals_of_conversations_one_is_in(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann")  # 1
        await arranged.send(conversation, "ann")  # 2
        await arranged.add(conversation, "bob")  # 3
        await arranged.send(conversation, "ann")  # 4
        await arranged.remove(conversation, "bob")  # 5
        await arranged.send(conversation, "ann")  # 6
        await arranged.add(conversation, "bob")  # 7
        await arranged.send(conversation, "ann")  # 8
        assert [position for position, _ in await stream_of(store, "bob")] == [3, 4, 5, 7, 8]
        assert [position for position, _ in await stream_of(store, "bob", after=4)] == [5, 7, 8]
        assert [position for position, _ in await stream_of(store, "ann")] == [1, 2, 3, 4, 5, 6, 7, 8]

    async def test_shows_only_the_removal_where_one_is_no_more(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "bob")
        await arranged.send(conversation, "ann")
        await arranged.remove(conversation, "bob")
        await arranged.send(conversation, "ann")
        assert await stream_of(store, "bob") == [(3, "participant.removed")]
        assert await stream_of(store, "bob", after=3) == []
        gone = await arranged.create("bob")
        await arranged.delete_conversation(gone, "bob")
        assert await stream_of(store, "bob", after=3) == [(6, "conversation.deleted")]

    async def test_shows_nothing_of_others(self, store: Store, arranged: Arranged) -> None:
        await arranged.send(await arranged.create("ann"), "ann")
        assert await stream_of(store, "bob") == []
        elsewhere = Arranged(store, TenantId("other"))
        await elsewhere.send(await elsewhere.create("ann"), "ann")
        assert [position for position, _ in await stream_of(store, "ann")] == [1, 2]

    async def test_a_private_change_is_shown_to_its_user_alone(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "bob")
        bob = (await store.find_participants(conversation, [user("bob")]))[user("bob")]
        muted = replace(bob, muted=True, version=2)
        await arranged.participant_event(EventKind.PARTICIPANT_UPDATED, muted, private=True)
        assert await stream_of(store, "ann", after=1) == []
        assert await stream_of(store, "bob", after=1) == [(2, "participant.updated")]
        (event,) = await store.read_log(after=Position(1), limit=1)
        assert event.body == ParticipantChange(muted, private=True)

    async def test_edits_of_joined_history_go_to_those_who_saw_the_message(
        self, store: Store, arranged: Arranged
    ) -> None:
        conversation = await arranged.create("ann", visibility=HistoryVisibility.JOINED)
        old = await arranged.send(conversation, "ann")
        await arranged.add(conversation, "bob")
        new = await arranged.send(conversation, "ann")
        await arranged.edit(old, "edited")
        await arranged.edit(new, "edited")
        await arranged.delete(replace(old, version=2))
        assert [position for position, _ in await stream_of(store, "bob")] == [3, 4, 6]
        assert [position for position, _ in await stream_of(store, "ann")] == [1, 2, 3, 4, 5, 6, 7]
        bodies = [event.body for event in await store.read_log(after=Position(4), limit=10)]
        assert [body.joined_only for body in bodies if isinstance(body, MessageChange)] == [True, True, True]

    async def test_an_old_event_carries_the_present_text(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann")
        message = await arranged.send(conversation, "ann", "first")
        await arranged.edit(message, "second")
        page = await store.read_stream(TENANT, user("ann"), after=Position(1), upto=END, limit=10)
        texts = [event.body.message.body for event in page.events if isinstance(event.body, MessageChange)]
        assert texts == ["second", "second"]

    async def test_a_page_ends_at_its_limit_or_at_the_window(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann")
        for _ in range(5):
            await arranged.send(conversation, "ann")
        head = await store.read_head()
        page = await store.read_stream(TENANT, user("ann"), after=Position(0), upto=Position(4), limit=3)
        assert (page.upto.position, page.complete) == (3, False)
        page = await store.read_stream(TENANT, user("ann"), after=Position(3), upto=Position(6), limit=10)
        assert (page.upto, page.complete, len(page.events)) == (head, True, 3)
        page = await store.read_stream(TENANT, user("bob"), after=Position(0), upto=Position(6), limit=10)
        assert (page.upto, page.complete, page.events) == (head, True, ())

    async def test_a_tenants_stream_holds_all_of_it_and_nothing_else(self, store: Store, arranged: Arranged) -> None:
        other = Arranged(store, TenantId("other"))
        await other.create("ann")
        await arranged.create("ann")
        await other.create("bob")
        page = await store.read_tenant_stream(TENANT, after=Position(0), upto=Position(3), limit=10)
        assert [event.position for event in page.events] == [2]
        assert page.upto.position == 3
        page = await store.read_tenant_stream(TENANT, after=Position(0), upto=Position(3), limit=1)
        assert (page.events, page.upto.position, page.complete) == ((), 1, False)

    async def test_the_newest_events_come_in_order(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann")
        for _ in range(4):
            await arranged.send(conversation, "ann")
        assert [event.position for event in await store.read_newest(2)] == [4, 5]
        assert len(await store.read_newest(100)) == 5

    async def test_cursors_are_compared_with_the_log(self, store: Store, arranged: Arranged) -> None:
        assert await store.read_head() == ORIGIN
        assert await store.check_cursor(ORIGIN) == "ok"
        await arranged.create("ann")
        head = await store.read_head()
        assert await store.check_cursor(head) == "ok"
        assert await store.check_cursor(ORIGIN) == "ok"
        assert await store.check_cursor(Cursor(head.position, "ffffffff")) == "diverged"
        assert await store.check_cursor(Cursor(Position(2), head.tag)) == "diverged"
        assert await store.check_cursor(Cursor(Position(0), "11111111")) == "diverged"

    async def test_the_log_is_followed_from_any_cursor_it_holds(self, store: Store, arranged: Arranged) -> None:
        assert await store.follow(ORIGIN, limit=10) == ()
        conversation = await arranged.create("ann")
        message = await arranged.send(conversation, "ann")
        await arranged.edit(message, "edited")
        await Arranged(store, TenantId("other")).create("bob")
        log = await store.read_log(after=Position(0), limit=10)
        assert [event.position for event in log] == [1, 2, 3, 4]
        assert await store.follow(ORIGIN, limit=10) == log
        assert await store.follow(ORIGIN, limit=2) == log[:2]
        assert await store.follow(log[1].cursor, limit=10) == log[2:]
        assert await store.follow(log[3].cursor, limit=10) == ()

    async def test_no_log_is_followed_from_a_cursor_it_does_not_hold(self, store: Store, arranged: Arranged) -> None:
        await arranged.send(await arranged.create("ann"), "ann")
        head = await store.read_head()
        for position, tag in ((0, "11111111"), (1, head.tag), (2, "ffffffff"), (3, head.tag), (2**63 - 1, head.tag)):
            assert await store.follow(Cursor(Position(position), tag), limit=10) is None, position

    async def test_below_its_floor_the_log_holds_nothing(
        self, store: Store, arranged: Arranged, move_floor: Callable[[Cursor], Awaitable[None]]
    ) -> None:
        conversation = await arranged.create("ann")
        for _ in range(4):
            await arranged.send(conversation, "ann")
        log = await store.read_log(after=Position(0), limit=10)
        below, floor, above = (log[index].cursor for index in (0, 1, 2))
        await move_floor(floor)
        states = [await store.check_cursor(each) for each in (ORIGIN, below, floor, above)]
        assert states == ["too_old", "too_old", "ok", "ok"]
        assert await store.check_cursor(Cursor(floor.position, above.tag)) == "diverged"
        assert await store.follow(ORIGIN, limit=10) is None
        assert await store.follow(below, limit=10) is None
        assert await store.follow(floor, limit=10) == log[2:]
        assert await store.follow(above, limit=10) == log[3:]
        page = await store.read_stream(TENANT, user("bob"), after=floor.position, upto=floor.position, limit=10)
        assert page.upto == floor


class TestReads:
    async def test_outsiders_find_nothing(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann")
        message = await arranged.send(conversation, "ann")
        bounds = MessageBounds()
        assert await store.find_participation(TENANT, user("bob"), conversation) is None
        assert await store.find_participation(TenantId("other"), user("ann"), conversation) is None
        assert await store.find_message(TENANT, user("bob"), message.id) is None
        assert await store.find_message(TenantId("other"), user("ann"), message.id) is None
        assert await store.list_messages(TENANT, user("bob"), conversation, bounds=bounds, limit=5) is None

    async def test_messages_are_paged_in_both_directions(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann")
        for _ in range(9):
            await arranged.send(conversation, "ann")  # seqs 2 to 10

        async def page(bounds: MessageBounds, limit: int) -> tuple[list[int], bool]:
            found = await store.list_messages(TENANT, user("ann"), conversation, bounds=bounds, limit=limit)
            assert found is not None
            return [message.seq for message in found[0]], found[1]

        assert await page(MessageBounds(), 3) == ([8, 9, 10], True)
        assert await page(MessageBounds(before=Seq(5)), 3) == ([2, 3, 4], False)
        assert await page(MessageBounds(before=Seq(5)), 2) == ([3, 4], True)
        assert await page(MessageBounds(after=Seq(8)), 5) == ([9, 10], False)
        assert await page(MessageBounds(after=Seq(0)), 2) == ([2, 3], True)
        assert await page(MessageBounds(around=Seq(5)), 4) == ([4, 5, 6, 7], True)
        assert await page(MessageBounds(around=Seq(5)), 1) == ([5], True)

    async def test_joined_history_ends_at_the_intervals(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", visibility=HistoryVisibility.JOINED)
        before = await arranged.send(conversation, "ann")
        await arranged.add(conversation, "bob")
        first = await arranged.send(conversation, "ann")
        await arranged.remove(conversation, "bob")
        between = await arranged.send(conversation, "ann")
        await arranged.add(conversation, "bob")
        views, _ = await store.list_conversations(TENANT, user("bob"), before=None, limit=5)
        assert views[0].last_message == first
        second = await arranged.send(conversation, "ann")
        found = await store.list_messages(TENANT, user("bob"), conversation, bounds=MessageBounds(), limit=10)
        assert found == ([first, second], False)
        for hidden in (before, between):
            assert await store.find_message(TENANT, user("bob"), hidden.id) is None
        assert await store.find_message(TENANT, user("bob"), first.id) is not None

    async def test_pages_of_joined_history_go_on_across_the_gap(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", visibility=HistoryVisibility.JOINED)
        for come_or_go in (arranged.add, arranged.remove, arranged.add):
            for _ in range(2):
                await arranged.send(conversation, "ann")
            await come_or_go(conversation, "bob")
        for _ in range(2):
            await arranged.send(conversation, "ann")
        seen = [5, 6, 11, 12]

        def expected(bounds: MessageBounds, limit: int) -> tuple[list[int], bool]:
            if bounds.after is not None:
                newer = [seq for seq in seen if seq > bounds.after]
                return newer[:limit], len(newer) > limit
            if bounds.around is not None:
                older, more_older = expected(MessageBounds(before=Seq(bounds.around + 1)), (limit + 1) // 2)
                newer, more_newer = expected(MessageBounds(after=bounds.around), limit // 2)
                return older + newer, more_older or more_newer
            older = [seq for seq in seen if bounds.before is None or seq < bounds.before]
            return older[max(len(older) - limit, 0) :], len(older) > limit

        ways = [MessageBounds()]
        for seq in map(Seq, range(14)):
            ways += [MessageBounds(before=seq), MessageBounds(after=seq), MessageBounds(around=seq)]
        for bounds in ways:
            for limit in (1, 2, 3, 4, 5):
                found = await store.list_messages(TENANT, user("bob"), conversation, bounds=bounds, limit=limit)
                assert found is not None
                seqs = [message.seq for message in found[0]]
                assert (seqs, found[1]) == expected(bounds, limit), (bounds, limit)

    async def test_conversations_come_most_recently_active_first(self, store: Store, arranged: Arranged) -> None:
        ids = [await arranged.create("ann") for _ in range(3)]
        message = await arranged.send(ids[0], "ann")
        views, head = await store.list_conversations(TENANT, user("ann"), before=None, limit=2)
        assert [view.conversation.id for view in views] == [ids[0], ids[2]]
        assert views[0].last_message == message
        assert head == await store.read_head()
        rest, _ = await store.list_conversations(TENANT, user("ann"), before=views[-1].last_position, limit=2)
        assert [view.conversation.id for view in rest] == [ids[1]]
        assert await store.list_conversations(TENANT, user("nobody"), before=None, limit=2) == ([], head)

    async def test_unread_counts_others_messages_that_still_exist(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "bob")
        messages = [await arranged.send(conversation, "ann") for _ in range(3)]
        await arranged.send(conversation, "bob")
        await arranged.delete(messages[0])
        views, _ = await store.list_conversations(TENANT, user("bob"), before=None, limit=5)
        assert views[0].unread_count == 2
        totals = await store.count_unread(TENANT, user("bob"))
        assert (totals.total, totals.conversations) == (2, 1)

    async def test_those_present_come_in_the_order_of_code_points(self, store: Store, arranged: Arranged) -> None:
        names = ["Zoe", "_x", "ann", "bob", "\u00e4nne", "\uff5e", "\U0001f600"]
        conversation = await arranged.create(*reversed([*names, "cid"]))
        await arranged.remove(conversation, "cid")
        assert names == sorted(names)
        found = await store.read_participants(conversation)
        assert [each.user_id for each in found.participants] == names

    async def test_those_present_come_with_the_version_of_their_set(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "bob")
        participation = await store.find_participation(TENANT, user("ann"), conversation)
        assert participation is not None
        found = await store.read_participants(conversation)
        assert found.version == participation.members_version
        assert found.participants[0] == participation.participant
        await arranged.add(conversation, "cid")
        assert (await store.read_participants(conversation)).version > found.version

    async def test_each_change_of_those_present_makes_another_version(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "bob")
        bob = (await store.find_participants(conversation, [user("bob")]))[user("bob")]
        sets = [await store.read_participants(conversation)]
        await arranged.participant_event(EventKind.PARTICIPANT_UPDATED, replace(bob, role=Role.ADMIN, version=2))
        sets.append(await store.read_participants(conversation))
        await arranged.remove(conversation, "bob")
        sets.append(await store.read_participants(conversation))
        await arranged.add(conversation, "bob", Role.OBSERVER)
        sets.append(await store.read_participants(conversation))
        assert [each.version for each in sets] == sorted({each.version for each in sets})
        roles = [{each.user_id: each.role for each in found.participants}.get(user("bob")) for found in sets]
        assert roles == [Role.MEMBER, Role.ADMIN, None, Role.OBSERVER]

    async def test_what_is_ones_own_makes_no_other_version(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "bob")
        bob = (await store.find_participants(conversation, [user("bob")]))[user("bob")]
        before = await store.read_participants(conversation)
        marked = replace(bob, muted=True, hidden=True, pinned=True, version=2)
        await arranged.participant_event(EventKind.PARTICIPANT_UPDATED, marked, private=True)
        await arranged.send(conversation, "ann")
        await store.move_read_markers([MoveMarker(TENANT, user("bob"), conversation, Seq(3))])
        assert (await store.read_participants(conversation)).version == before.version

    async def test_nobody_is_present_in_what_is_not_there(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann")
        await arranged.delete_conversation(conversation, "ann")
        for gone in (conversation, ConversationId("never")):
            found = await store.read_participants(gone)
            assert (found.version, found.participants) == (0, ())

    async def test_a_participation_counts_those_present_and_the_owners(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "bob", "cid", roles={"bob": Role.OWNER})
        await arranged.remove(conversation, "cid")
        participation = await store.find_participation(TENANT, user("ann"), conversation)
        assert participation is not None
        assert (participation.present, participation.owners) == (2, 2)


class TestReadMarkers:
    async def test_move_up_only_and_within_the_conversation(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "bob")
        for _ in range(3):
            await arranged.send(conversation, "ann")  # seqs 2 to 4

        def move(seq: int, name: str = "bob", tenant: TenantId = TENANT) -> MoveMarker:
            return MoveMarker(tenant, user(name), conversation, Seq(seq))

        assert await store.move_read_markers([move(3)]) == [ReadMarker(Seq(3), 1)]
        assert await store.move_read_markers([move(2)]) == [ReadMarker(Seq(3), 1)]
        results = await store.move_read_markers(
            [move(5), move(4, "mallory"), move(4, tenant=TenantId("other")), move(4)]
        )
        assert [type(each) for each in results] == [InvalidError, NotFoundError, NotFoundError, ReadMarker]
        assert results[3] == ReadMarker(Seq(4), 0)
        await arranged.remove(conversation, "bob")
        assert [type(each) for each in await store.move_read_markers([move(4)])] == [NotFoundError]

    async def test_one_write_takes_the_highest_of_several(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "bob")
        await arranged.send(conversation, "ann")
        await arranged.send(conversation, "ann")
        moves = [MoveMarker(TENANT, user("bob"), conversation, Seq(seq)) for seq in (2, 3, 2)]
        assert await store.move_read_markers(moves) == [ReadMarker(Seq(3), 0)] * 3

    async def test_counting_stops_at_a_thousand(self, store: Store, arranged: Arranged) -> None:
        conversation = await arranged.create("ann", "bob")
        for _ in range(5):
            await store.append_messages([arranged.draft(conversation, "ann") for _ in range(250)])
        assert await store.move_read_markers([MoveMarker(TENANT, user("bob"), conversation, Seq(1))]) == [
            ReadMarker(Seq(1), 1000)
        ]
        totals = await store.count_unread(TENANT, user("bob"))
        assert (totals.total, totals.conversations) == (1000, 1)
