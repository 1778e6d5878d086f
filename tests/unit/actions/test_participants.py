from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.actions.conversations import NewConversation, create_conversation
from sanctum_messaging.actions.memberships import NewParticipant
from sanctum_messaging.actions.participants import ParticipantPatch, list_participants, update_participant
from sanctum_messaging.domain.errors import ConflictError, ForbiddenError, NotFoundError
from sanctum_messaging.domain.events import ParticipantChange
from sanctum_messaging.domain.model import Actor, ConversationId, ConversationKind, Role, UserId
from tests.acting import Heard, actor

if TYPE_CHECKING:
    from sanctum_messaging.ports import Ports

OWNER, ADMIN, MEMBER, OBSERVER, STRANGER = (
    actor(name) for name in ("owner", "admin", "member", "observer", "stranger")
)
SERVICE = replace(OBSERVER, service=True)


@pytest.fixture
async def group(ports: Ports) -> ConversationId:
    """Everybody is in it with the role that he is called by; there are two admins and two owners."""
    roles = {
        "admin": Role.ADMIN,
        "admin2": Role.ADMIN,
        "owner2": Role.OWNER,
        "member": Role.MEMBER,
        "observer": Role.OBSERVER,
    }
    others = tuple(NewParticipant(UserId(name), role) for name, role in roles.items())
    created = await create_conversation(ports, OWNER, NewConversation(ConversationKind.GROUP, others))
    assert created.answer.conversation is not None
    return created.answer.conversation.id


async def change(ports: Ports, who: Actor, group: ConversationId, target: str, **patch: object) -> Role:
    changed = await update_participant(
        ports,
        who,
        group,
        user_id=UserId(target),
        patch=ParticipantPatch(**patch),  # type: ignore[arg-type]  # test data
    )
    return changed.role


class TestRole:
    @pytest.mark.parametrize(
        ("who", "target", "role", "allowed"),
        [
            (OBSERVER, "member", Role.OBSERVER, False),
            (MEMBER, "observer", Role.MEMBER, False),
            (MEMBER, "member", Role.OBSERVER, True),
            (MEMBER, "member", Role.ADMIN, False),
            (ADMIN, "observer", Role.MEMBER, True),
            (ADMIN, "member", Role.ADMIN, False),
            (ADMIN, "admin2", Role.MEMBER, False),
            (ADMIN, "admin", Role.OBSERVER, True),
            (ADMIN, "admin", Role.OWNER, False),
            (ADMIN, "owner", Role.MEMBER, False),
            (OWNER, "admin", Role.OWNER, True),
            (OWNER, "owner2", Role.OBSERVER, True),
            (OWNER, "owner", Role.MEMBER, True),
            (SERVICE, "observer", Role.OWNER, True),
            (SERVICE, "owner", Role.OBSERVER, True),
        ],
    )
    async def test_is_changed_within_ones_own_rank(
        self, ports: Ports, group: ConversationId, who: Actor, target: str, role: Role, *, allowed: bool
    ) -> None:
        if allowed:
            assert await change(ports, who, group, target, role=role) is role
        else:
            with pytest.raises(ForbiddenError):
                await change(ports, who, group, target, role=role)

    async def test_change_is_an_event_for_all(self, ports: Ports, group: ConversationId, heard: Heard) -> None:
        await change(ports, OWNER, group, "member", role=Role.ADMIN)
        body = heard.events[-1].body
        assert isinstance(body, ParticipantChange)
        assert (body.participant.role, body.participant.version, body.private) == (Role.ADMIN, 2, False)

    async def test_the_same_role_is_no_event(self, ports: Ports, group: ConversationId, heard: Heard) -> None:
        await change(ports, OWNER, group, "member", role=Role.MEMBER)
        assert len(heard.events) == 1

    async def test_one_owner_remains(self, ports: Ports, group: ConversationId) -> None:
        outcomes = await asyncio.gather(
            change(ports, OWNER, group, "owner", role=Role.MEMBER),
            change(ports, actor("owner2"), group, "owner2", role=Role.MEMBER),
            return_exceptions=True,
        )
        (refused,) = [each for each in outcomes if isinstance(each, BaseException)]
        assert isinstance(refused, ConflictError)
        assert refused.code == "last_owner"

    async def test_of_who_is_not_there_is_not_found(self, ports: Ports, group: ConversationId) -> None:
        with pytest.raises(NotFoundError):
            await change(ports, OWNER, group, "stranger", role=Role.MEMBER)
        with pytest.raises(ForbiddenError):
            await change(ports, MEMBER, group, "stranger", role=Role.MEMBER)
        with pytest.raises(NotFoundError):
            await change(ports, STRANGER, group, "stranger", role=Role.OBSERVER)

    async def test_is_fixed_in_a_direct_conversation(self, ports: Ports) -> None:
        new = NewConversation(ConversationKind.DIRECT, (NewParticipant(UserId("member")),))
        created = await create_conversation(ports, OWNER, new)
        assert created.answer.conversation is not None
        for target in ("member", "owner"):
            with pytest.raises(ConflictError) as refused:
                await change(ports, OWNER, created.answer.conversation.id, target, role=Role.OBSERVER)
            assert refused.value.code == "direct_conversation_fixed"


class TestMarks:
    async def test_are_told_to_nobody_else(self, ports: Ports, group: ConversationId, heard: Heard) -> None:
        await change(ports, OBSERVER, group, "observer", muted=True, hidden=False)
        body = heard.events[-1].body
        assert isinstance(body, ParticipantChange)
        assert body.private
        assert (body.participant.muted, body.participant.hidden, body.participant.pinned) == (True, False, False)

    async def test_keep_what_is_not_named(self, ports: Ports, group: ConversationId) -> None:
        await change(ports, MEMBER, group, "member", muted=True)
        await change(ports, MEMBER, group, "member", pinned=True)
        changed = await update_participant(
            ports, MEMBER, group, user_id=MEMBER.user, patch=ParticipantPatch(pinned=False)
        )
        assert (changed.muted, changed.pinned, changed.version) == (True, False, 4)

    async def test_that_are_so_already_are_no_event(self, ports: Ports, group: ConversationId, heard: Heard) -> None:
        await change(ports, MEMBER, group, "member", muted=False)
        await change(ports, MEMBER, group, "member")
        assert len(heard.events) == 1

    async def test_are_set_by_oneself_alone(self, ports: Ports, group: ConversationId) -> None:
        for who in (OWNER, SERVICE):
            with pytest.raises(ForbiddenError):
                await change(ports, who, group, "member", muted=True)

    async def test_go_together_with_a_role(self, ports: Ports, group: ConversationId, heard: Heard) -> None:
        await change(ports, MEMBER, group, "member", role=Role.OBSERVER, pinned=True)
        bodies = [event.body for event in heard.events[1:] if isinstance(event.body, ParticipantChange)]
        assert [(body.private, body.participant.pinned, body.participant.version) for body in bodies] == [
            (False, False, 2),
            (True, True, 3),
        ]
        (stored,) = [
            each
            for each in await list_participants(ports, MEMBER, group, after=None, limit=10)
            if each.user_id == "member"
        ]
        assert (stored.role, stored.pinned, stored.version) == (Role.OBSERVER, True, 3)
