from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.actions.conversations import (
    ConversationPatch,
    NewConversation,
    create_conversation,
    delete_conversation,
    get_conversation,
    list_conversations,
    update_conversation,
)
from sanctum_messaging.actions.decisions import VersionMatch
from sanctum_messaging.actions.memberships import NewParticipant, remove_participant
from sanctum_messaging.domain.errors import (
    ConflictError,
    FieldFault,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PreconditionError,
)
from sanctum_messaging.domain.events import ConversationChange, EventKind
from sanctum_messaging.domain.model import Conversation, ConversationKind, HistoryVisibility, Role, UserId
from sanctum_messaging.ports.log import Idempotency
from tests.acting import Heard, actor

if TYPE_CHECKING:
    from sanctum_messaging.ports import Ports

ANY = VersionMatch(None)
ANN, BOB, CAT = actor("ann"), actor("bob"), actor("cat")


def group(*names: str, role: Role = Role.MEMBER, **rest: object) -> NewConversation:
    participants = tuple(NewParticipant(UserId(name), role) for name in names)
    return replace(NewConversation(ConversationKind.GROUP, participants), **rest)  # type: ignore[arg-type]  # test data


def direct(name: str) -> NewConversation:
    return NewConversation(ConversationKind.DIRECT, (NewParticipant(UserId(name)),))


def match(version: int) -> VersionMatch:
    return VersionMatch(frozenset({version}))


async def create(ports: Ports, new: NewConversation | None = None) -> Conversation:
    created = await create_conversation(ports, ANN, new or group("bob", title="Lunch"))
    assert created.answer.conversation is not None
    return created.answer.conversation


class TestCreate:
    async def test_is_one_event_that_names_everyone(self, ports: Ports, heard: Heard) -> None:
        conversation = await create(ports, group("bob", "cat", title="Lunch", metadata='{"a":  1}'))

        (event,) = heard.events
        assert event.kind is EventKind.CONVERSATION_CREATED
        assert isinstance(event.body, ConversationChange)
        assert event.body.conversation == conversation
        roles = {each.user_id: each.role for each in event.body.participants}
        assert roles == {"ann": Role.OWNER, "bob": Role.MEMBER, "cat": Role.MEMBER}
        stored = await get_conversation(ports, BOB, conversation.id)
        assert stored == conversation
        assert stored.metadata == '{"a":  1}'

    async def test_may_make_other_owners(self, ports: Ports) -> None:
        conversation = await create(ports, group("bob", role=Role.OWNER))
        await remove_participant(ports, ANN, conversation.id, user_id=ANN.user)
        assert (await get_conversation(ports, BOB, conversation.id)).id == conversation.id

    @pytest.mark.parametrize(
        ("new", "fault"),
        [
            (group("bob", "ann"), FieldFault("participants[1].userId", "oneself")),
            (group("bob", "cat", "bob"), FieldFault("participants[2].userId", "duplicate")),
            (NewConversation(ConversationKind.DIRECT, ()), FieldFault("participants", "too_short")),
            (replace(group("bob", "cat"), kind=ConversationKind.DIRECT), FieldFault("participants", "too_long")),
            (
                replace(group("bob", role=Role.ADMIN), kind=ConversationKind.DIRECT),
                FieldFault("participants[0].role", "not_allowed"),
            ),
        ],
    )
    async def test_refuses_participants_that_make_no_sense(
        self, ports: Ports, heard: Heard, new: NewConversation, fault: FieldFault
    ) -> None:
        with pytest.raises(InvalidError) as refused:
            await create_conversation(ports, ANN, new)
        assert refused.value.faults == (fault,)
        assert heard.events == []

    async def test_there_is_one_direct_conversation_between_two(self, ports: Ports, heard: Heard) -> None:
        first = await create_conversation(ports, ANN, direct("bob"))
        again = await create_conversation(ports, BOB, direct("ann"))
        assert first.answer.created
        assert not again.answer.created
        assert again.answer.conversation == first.answer.conversation
        assert len(heard.events) == 1

    async def test_both_are_members_of_a_direct_conversation(self, ports: Ports, heard: Heard) -> None:
        await create_conversation(ports, ANN, direct("bob"))
        (event,) = heard.events
        assert isinstance(event.body, ConversationChange)
        assert {each.role for each in event.body.participants} == {Role.MEMBER}

    async def test_simultaneous_direct_conversations_are_one(self, ports: Ports, heard: Heard) -> None:
        both = await asyncio.gather(
            create_conversation(ports, ANN, direct("bob")), create_conversation(ports, BOB, direct("ann"))
        )
        assert sorted(each.answer.created for each in both) == [False, True]
        assert len({each.answer.conversation.id for each in both if each.answer.conversation}) == 1
        assert len(heard.events) == 1


class TestIdempotency:
    KEY = Idempotency(ANN.user, "key", "fingerprint")

    async def test_a_repeat_gets_the_first_answer(self, ports: Ports, heard: Heard) -> None:
        first = await create_conversation(ports, ANN, group("bob"), idempotency=self.KEY)
        again = await create_conversation(ports, ANN, group("bob"), idempotency=self.KEY)
        assert again.answer == first.answer
        assert (first.replayed, again.replayed) == (False, True)
        assert len(heard.events) == 1

    async def test_simultaneous_twins_get_the_same_answer(self, ports: Ports, heard: Heard) -> None:
        twins = await asyncio.gather(
            *(create_conversation(ports, ANN, group("bob"), idempotency=self.KEY) for _ in range(5))
        )
        assert len({each.answer.conversation for each in twins}) == 1
        assert sum(each.replayed for each in twins) == 4
        assert len(heard.events) == 1

    async def test_another_request_under_the_key_is_refused(self, ports: Ports, heard: Heard) -> None:
        await create_conversation(ports, ANN, group("bob"), idempotency=self.KEY)
        with pytest.raises(InvalidError) as refused:
            await create_conversation(ports, ANN, group("cat"), idempotency=replace(self.KEY, fingerprint="other"))
        assert refused.value.code == "idempotency_key_reused"
        assert len(heard.events) == 1

    async def test_a_key_on_a_direct_conversation_that_is_there_keeps_the_answer(self, ports: Ports) -> None:
        there = await create_conversation(ports, BOB, direct("ann"))
        found = await create_conversation(ports, ANN, direct("bob"), idempotency=self.KEY)
        again = await create_conversation(ports, ANN, direct("bob"), idempotency=self.KEY)
        assert found.answer.conversation == again.answer.conversation == there.answer.conversation
        assert not found.answer.created
        assert not again.answer.created
        assert again.replayed

    async def test_another_user_may_use_the_same_key(self, ports: Ports) -> None:
        first = await create_conversation(ports, ANN, group("bob"), idempotency=self.KEY)
        other = await create_conversation(
            ports, CAT, group("bob"), idempotency=replace(self.KEY, user_id=CAT.user, fingerprint="x")
        )
        assert other.answer.conversation != first.answer.conversation


class TestRead:
    async def test_outsiders_find_nothing(self, ports: Ports) -> None:
        conversation = await create(ports)
        for stranger in (CAT, actor("ann", tenant="elsewhere"), actor("cat", service=True)):
            with pytest.raises(NotFoundError):
                await get_conversation(ports, stranger, conversation.id)

    async def test_lists_the_most_recently_active_first(self, ports: Ports) -> None:
        one, two = await create(ports), await create(ports)
        await update_conversation(ports, ANN, one.id, patch=ConversationPatch(title="Later"), match=ANY)
        views, end = await list_conversations(ports, ANN, before=None, limit=10)
        assert [view.conversation.id for view in views] == [one.id, two.id]
        assert end == await ports.store.read_head()


class TestUpdate:
    async def test_changes_what_is_named_and_keeps_the_rest(self, ports: Ports, heard: Heard) -> None:
        conversation = await create(ports, group("bob", title="Lunch", metadata='{"a":1,"b":{"c":2}}'))
        patch = ConversationPatch(metadata='{"b":{"c":null,"d":3}}')
        changed = await update_conversation(ports, ANN, conversation.id, patch=patch, match=match(1))
        assert changed.metadata == '{"a":1,"b":{"d":3}}'
        assert (changed.title, changed.version, changed.last_seq) == ("Lunch", 2, 2)
        assert changed == await get_conversation(ports, BOB, conversation.id)
        assert heard.events[-1].kind is EventKind.CONVERSATION_UPDATED

    async def test_takes_away_what_is_none(self, ports: Ports) -> None:
        conversation = await create(ports, group("bob", title="Lunch", metadata='{"a":1}'))
        patch = ConversationPatch(title=None, metadata=None)
        changed = await update_conversation(ports, ANN, conversation.id, patch=patch, match=ANY)
        assert (changed.title, changed.metadata) == (None, "{}")

    async def test_says_whether_the_past_is_seen_otherwise_now(self, ports: Ports, heard: Heard) -> None:
        conversation = await create(ports)
        for patch in (ConversationPatch(visibility=HistoryVisibility.JOINED), ConversationPatch(title="x")):
            await update_conversation(ports, ANN, conversation.id, patch=patch, match=ANY)
        bodies = [event.body for event in heard.events if isinstance(event.body, ConversationChange)]
        assert [body.visibility_changed for body in bodies] == [False, True, False]

    async def test_an_empty_patch_changes_nothing(self, ports: Ports, heard: Heard) -> None:
        conversation = await create(ports)
        same = await update_conversation(ports, ANN, conversation.id, patch=ConversationPatch(), match=match(1))
        assert same == conversation
        assert len(heard.events) == 1

    async def test_merged_metadata_keeps_to_the_bounds(self, ports: Ports) -> None:
        conversation = await create(ports, group("bob", metadata='{"a":"' + "x" * 2_500 + '"}'))
        patch = ConversationPatch(metadata='{"b":"' + "x" * 2_500 + '"}')
        with pytest.raises(InvalidError) as refused:
            await update_conversation(ports, ANN, conversation.id, patch=patch, match=ANY)
        assert refused.value.faults == (FieldFault("metadata", "too_long"),)

    async def test_of_two_simultaneous_changes_of_one_version_one_succeeds(self, ports: Ports) -> None:
        conversation = await create(ports)
        outcomes = await asyncio.gather(
            *(
                update_conversation(ports, ANN, conversation.id, patch=ConversationPatch(title=title), match=match(1))
                for title in ("one", "two")
            ),
            return_exceptions=True,
        )
        (changed,) = [each for each in outcomes if isinstance(each, Conversation)]
        (refused,) = [each for each in outcomes if isinstance(each, PreconditionError)]
        assert (changed.version, refused.version) == (2, 2)

    async def test_simultaneous_changes_of_whatever_version_all_succeed(self, ports: Ports) -> None:
        conversation = await create(ports)
        changed = await asyncio.gather(
            *(
                update_conversation(ports, ANN, conversation.id, patch=ConversationPatch(title=title), match=ANY)
                for title in ("one", "two", "three")
            )
        )
        assert sorted(each.version for each in changed) == [2, 3, 4]

    async def test_who_loses_five_times_is_told_so(self, ports: Ports) -> None:
        conversation = await create(ports)
        outcomes = await asyncio.gather(
            *(
                update_conversation(ports, ANN, conversation.id, patch=ConversationPatch(title=f"{n}"), match=ANY)
                for n in range(12)
            ),
            return_exceptions=True,
        )
        refused = [each for each in outcomes if isinstance(each, BaseException)]
        assert refused
        assert all(isinstance(each, ConflictError) and each.code == "conflict" for each in refused)
        stored = await get_conversation(ports, ANN, conversation.id)
        assert stored.version == 1 + len(outcomes) - len(refused)


class TestDelete:
    async def test_ends_it_for_all(self, ports: Ports, heard: Heard) -> None:
        conversation = await create(ports)
        await delete_conversation(ports, ANN, conversation.id, match=match(1))
        assert heard.events[-1].kind is EventKind.CONVERSATION_DELETED
        for who in (ANN, BOB):
            with pytest.raises(NotFoundError):
                await get_conversation(ports, who, conversation.id)

    async def test_a_direct_conversation_is_never_deleted(self, ports: Ports) -> None:
        conversation = await create(ports, direct("bob"))
        with pytest.raises(ConflictError) as refused:
            await delete_conversation(ports, ANN, conversation.id, match=ANY)
        assert refused.value.code == "direct_conversation_fixed"


class TestPreconditions:
    async def test_come_after_all_other_refusals(self, ports: Ports) -> None:
        conversation = await create(ports)
        with pytest.raises(NotFoundError):
            await update_conversation(ports, CAT, conversation.id, patch=ConversationPatch(title="x"), match=None)
        with pytest.raises(ForbiddenError):
            await update_conversation(ports, BOB, conversation.id, patch=ConversationPatch(title="x"), match=None)
        with pytest.raises(ForbiddenError):
            await delete_conversation(ports, BOB, conversation.id, match=match(7))

    @pytest.mark.parametrize(
        ("given", "code"),
        [
            (None, "if_match_required"),
            (match(7), "precondition_failed"),
            (VersionMatch(frozenset()), "precondition_failed"),
        ],
    )
    async def test_refuse_another_version_and_tell_the_current(
        self, ports: Ports, given: VersionMatch | None, code: str
    ) -> None:
        conversation = await create(ports)
        with pytest.raises(PreconditionError) as refused:
            await update_conversation(ports, ANN, conversation.id, patch=ConversationPatch(title="x"), match=given)
        assert (refused.value.code, refused.value.version) == (code, 1)
        with pytest.raises(PreconditionError) as refused:
            await delete_conversation(ports, ANN, conversation.id, match=given)
        assert refused.value.code == code
