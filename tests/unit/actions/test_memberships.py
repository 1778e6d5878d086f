from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.actions.conversations import NewConversation, create_conversation
from sanctum_messaging.actions.memberships import NewParticipant, add_participants, remove_participant
from sanctum_messaging.actions.participants import ParticipantPatch, list_participants, update_participant
from sanctum_messaging.domain import rules
from sanctum_messaging.domain.errors import ConflictError, FieldFault, ForbiddenError, InvalidError, NotFoundError
from sanctum_messaging.domain.events import EventKind, ParticipantChange
from sanctum_messaging.domain.model import (
    Actor,
    ConversationId,
    ConversationKind,
    Participant,
    RemovalReason,
    Role,
    UserId,
)
from sanctum_messaging.ports.log import Appended, Idempotency
from tests.acting import Heard, actor

if TYPE_CHECKING:
    from sanctum_messaging.ports import Ports
    from tests.conftest import HandClock

OWNER, ADMIN, MEMBER, OBSERVER, STRANGER = (
    actor(name) for name in ("owner", "admin", "member", "observer", "stranger")
)
SERVICE = actor("owner", service=True)


def new(name: str, role: Role = Role.MEMBER) -> NewParticipant:
    return NewParticipant(UserId(name), role)


@pytest.fixture
async def group(ports: Ports) -> ConversationId:
    """Everybody is in it with the role that he is called by."""
    everyone = (new("admin", Role.ADMIN), new("member"), new("observer", Role.OBSERVER))
    created = await create_conversation(ports, OWNER, NewConversation(ConversationKind.GROUP, everyone))
    assert created.answer.conversation is not None
    return created.answer.conversation.id


@pytest.fixture
async def pair(ports: Ports) -> ConversationId:
    created = await create_conversation(ports, OWNER, NewConversation(ConversationKind.DIRECT, (new("member"),)))
    assert created.answer.conversation is not None
    return created.answer.conversation.id


async def present(ports: Ports, group: ConversationId) -> dict[str, Role]:
    listed = await list_participants(ports, SERVICE, group, after=None, limit=100)
    return {each.user_id: each.role for each in listed}


class TestAdd:
    async def test_adds_and_tells_the_conversation(self, ports: Ports, group: ConversationId, heard: Heard) -> None:
        added = await add_participants(ports, ADMIN, group, added=[new("bob"), new("cat", Role.OBSERVER)])
        assert added.answer.created
        assert [each.user_id for each in added.answer.participants] == ["bob", "cat"]
        events = heard.events[1:]
        assert [event.kind for event in events] == [EventKind.PARTICIPANT_ADDED] * 2
        for event in events:
            assert isinstance(event.body, ParticipantChange)
            assert event.body.conversation is not None
            assert event.body.conversation.last_seq == event.seq
        assert (await present(ports, group))["cat"] is Role.OBSERVER

    async def test_who_is_present_stays_as_he_is(self, ports: Ports, group: ConversationId, heard: Heard) -> None:
        added = await add_participants(ports, OWNER, group, added=[new("member", Role.ADMIN)])
        assert not added.answer.created
        assert added.answer.participants[0].role is Role.MEMBER
        assert len(heard.events) == 1

    async def test_answers_all_that_were_named_in_their_order(self, ports: Ports, group: ConversationId) -> None:
        added = await add_participants(ports, OWNER, group, added=[new("member"), new("bob"), new("admin")])
        assert [each.user_id for each in added.answer.participants] == ["member", "bob", "admin"]
        assert added.answer.created

    async def test_who_comes_back_gets_the_role_given_now_and_his_own_marks(
        self, ports: Ports, group: ConversationId, clock: HandClock
    ) -> None:
        await update_participant(ports, MEMBER, group, user_id=MEMBER.user, patch=ParticipantPatch(pinned=True))
        await remove_participant(ports, MEMBER, group, user_id=MEMBER.user)
        clock.advance(60)
        back = (await add_participants(ports, ADMIN, group, added=[new("member", Role.OBSERVER)])).answer
        assert back.created
        assert back.participants == (
            Participant(group, MEMBER.user, Role.OBSERVER, clock.now(), left_at=None, version=4, pinned=True),
        )

    async def test_simultaneous_additions_of_one_user_make_one_event(
        self, ports: Ports, group: ConversationId, heard: Heard
    ) -> None:
        both = await asyncio.gather(
            *(add_participants(ports, who, group, added=[new("bob")]) for who in (OWNER, ADMIN))
        )
        assert sorted(each.answer.created for each in both) == [False, True]
        assert len(heard.events) == 2

    async def test_a_conversation_does_not_grow_beyond_its_bound(self, ports: Ports, heard: Heard) -> None:
        group = await self.crowd(ports, 9_999)
        both = await asyncio.gather(
            *(add_participants(ports, OWNER, group, added=[new(name)]) for name in ("bob", "cat")),
            return_exceptions=True,
        )
        (refused,) = [each for each in both if isinstance(each, ConflictError)]
        assert refused.code == "too_many_participants"
        assert sum(len(committed.events) for committed in heard.commits[-1:]) == 1

    async def crowd(self, ports: Ports, size: int) -> ConversationId:
        everyone = tuple(new(f"user{n:05d}") for n in range(size - 1))
        created = await create_conversation(ports, OWNER, NewConversation(ConversationKind.GROUP, everyone))
        assert created.answer.conversation is not None
        return created.answer.conversation.id

    async def test_nobody_is_named_twice(self, ports: Ports, group: ConversationId) -> None:
        with pytest.raises(InvalidError) as refused:
            await add_participants(ports, OWNER, group, added=[new("bob"), new("bob")])
        assert refused.value.faults == (FieldFault("participants[1].userId", "duplicate"),)

    async def test_a_direct_conversation_takes_nobody(self, ports: Ports, pair: ConversationId) -> None:
        for who in (OWNER, SERVICE):
            with pytest.raises(ConflictError) as refused:
                await add_participants(ports, who, pair, added=[new("bob")])
            assert refused.value.code == "direct_conversation_fixed"

    @pytest.mark.parametrize(
        ("who", "granted", "allowed"),
        [
            (OBSERVER, Role.OBSERVER, False),
            (MEMBER, Role.OBSERVER, False),
            (ADMIN, Role.OBSERVER, True),
            (ADMIN, Role.MEMBER, True),
            (ADMIN, Role.ADMIN, False),
            (ADMIN, Role.OWNER, False),
            (OWNER, Role.ADMIN, True),
            (OWNER, Role.OWNER, True),
            (replace(OBSERVER, service=True), Role.OWNER, True),
        ],
    )
    async def test_roles_are_granted_below_ones_own(
        self, ports: Ports, group: ConversationId, who: Actor, granted: Role, *, allowed: bool
    ) -> None:
        adding = add_participants(ports, who, group, added=[new("bob", granted)])
        if allowed:
            assert (await adding).answer.participants[0].role is granted
        else:
            with pytest.raises(ForbiddenError):
                await adding


class TestIdempotency:
    KEY = Idempotency(OWNER.user, "key", "fingerprint")

    async def test_a_repeat_gets_the_first_answer_also_once_things_changed(
        self, ports: Ports, group: ConversationId, heard: Heard
    ) -> None:
        first = await add_participants(ports, OWNER, group, added=[new("bob")], idempotency=self.KEY)
        await remove_participant(ports, OWNER, group, user_id=UserId("bob"))
        again = await add_participants(ports, OWNER, group, added=[new("bob")], idempotency=self.KEY)
        assert again.answer == first.answer
        assert again.replayed
        assert "bob" not in await present(ports, group)
        assert len(heard.events) == 3

    async def test_simultaneous_twins_get_the_same_answer(self, ports: Ports, group: ConversationId) -> None:
        one, two = await asyncio.gather(
            *(add_participants(ports, OWNER, group, added=[new("bob")], idempotency=self.KEY) for _ in range(2))
        )
        assert one.answer == two.answer
        assert one.replayed is not two.replayed

    async def test_many_at_once_never_overfill_the_conversation(
        self, ports: Ports, group: ConversationId, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rules, "MAX_PARTICIPANTS", 30)
        outcomes = await asyncio.gather(
            *(
                add_participants(ports, OWNER, group, added=[new(f"new-{number}-{each}") for each in range(5)])
                for number in range(8)
            ),
            return_exceptions=True,
        )
        assert len(await present(ports, group)) <= 30
        assert any(isinstance(each, Appended) for each in outcomes)

    async def test_who_was_removed_gets_no_answer_again(self, ports: Ports, group: ConversationId) -> None:
        key = replace(self.KEY, user_id=ADMIN.user)
        await add_participants(ports, ADMIN, group, added=[new("bob")], idempotency=key)
        await remove_participant(ports, OWNER, group, user_id=ADMIN.user)
        with pytest.raises(NotFoundError):
            await add_participants(ports, ADMIN, group, added=[new("bob")], idempotency=key)


class TestRemove:
    async def test_tells_who_went_and_why(self, ports: Ports, group: ConversationId, heard: Heard) -> None:
        await remove_participant(ports, ADMIN, group, user_id=OBSERVER.user)
        await remove_participant(ports, MEMBER, group, user_id=MEMBER.user)
        bodies = [event.body for event in heard.events[1:] if isinstance(event.body, ParticipantChange)]
        assert [(body.participant.user_id, body.reason) for body in bodies] == [
            ("observer", RemovalReason.REMOVED),
            ("member", RemovalReason.LEFT),
        ]
        assert set(await present(ports, group)) == {"owner", "admin"}

    async def test_who_is_gone_is_not_found_again(self, ports: Ports, group: ConversationId) -> None:
        await remove_participant(ports, OWNER, group, user_id=MEMBER.user)
        for name in ("member", "never"):
            with pytest.raises(NotFoundError):
                await remove_participant(ports, OWNER, group, user_id=UserId(name))
        with pytest.raises(NotFoundError):
            await remove_participant(ports, MEMBER, group, user_id=MEMBER.user)

    async def test_of_two_simultaneous_removals_one_finds_nobody(
        self, ports: Ports, group: ConversationId, heard: Heard
    ) -> None:
        outcomes = await asyncio.gather(
            *(remove_participant(ports, who, group, user_id=MEMBER.user) for who in (OWNER, ADMIN)),
            return_exceptions=True,
        )
        assert sorted(type(each).__name__ for each in outcomes) == ["NoneType", "NotFoundError"]
        assert len(heard.events) == 2

    async def test_the_last_owner_stays(self, ports: Ports, group: ConversationId) -> None:
        for who in (OWNER, SERVICE):
            with pytest.raises(ConflictError) as refused:
                await remove_participant(ports, who, group, user_id=OWNER.user)
            assert refused.value.code == "last_owner"

    async def test_of_two_owners_who_leave_at_once_one_stays(self, ports: Ports, group: ConversationId) -> None:
        await add_participants(ports, OWNER, group, added=[new("second", Role.OWNER)])
        outcomes = await asyncio.gather(
            *(remove_participant(ports, who, group, user_id=who.user) for who in (OWNER, actor("second"))),
            return_exceptions=True,
        )
        (refused,) = [each for each in outcomes if each is not None]
        assert isinstance(refused, ConflictError)
        assert refused.code == "last_owner"

    async def test_nobody_leaves_a_direct_conversation(self, ports: Ports, pair: ConversationId) -> None:
        for target in (OWNER.user, MEMBER.user):
            with pytest.raises(ConflictError) as refused:
                await remove_participant(ports, OWNER, pair, user_id=target)
            assert refused.value.code == "direct_conversation_fixed"

    @pytest.mark.parametrize(
        ("who", "target", "allowed"),
        [
            (OBSERVER, "observer", False),
            (OBSERVER, "member", False),
            (MEMBER, "member", True),
            (MEMBER, "observer", False),
            (ADMIN, "admin", True),
            (ADMIN, "observer", True),
            (ADMIN, "admin2", False),
            (ADMIN, "owner", False),
            (OWNER, "admin", True),
            (OWNER, "owner2", True),
            (replace(OBSERVER, service=True), "owner2", True),
            (replace(OBSERVER, service=True), "observer", True),
        ],
    )
    async def test_acts_below_ones_own_rank(
        self, ports: Ports, group: ConversationId, who: Actor, target: str, *, allowed: bool
    ) -> None:
        more = [new("admin2", Role.ADMIN), new("owner2", Role.OWNER)]
        await add_participants(ports, OWNER, group, added=more)
        removing = remove_participant(ports, who, group, user_id=UserId(target))
        if allowed:
            await removing
            assert target not in await present(ports, group)
        else:
            with pytest.raises(ForbiddenError):
                await removing
            assert target in await present(ports, group)
