"""Who may do what, as tables: rows are the actor's role, columns what he tries."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.domain import rules
from sanctum_messaging.domain.errors import ConflictError, ForbiddenError, InvalidError, SanctumError
from sanctum_messaging.domain.model import (
    DEFAULT_TENANT,
    Actor,
    Conversation,
    ConversationId,
    ConversationKind,
    DeviceId,
    HistoryVisibility,
    Message,
    MessageId,
    Millis,
    Participant,
    Participation,
    Role,
    Seq,
    SessionId,
    UserId,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

ANN = Actor(DEFAULT_TENANT, UserId("ann"), DeviceId("phone"), SessionId("s"), Millis(0))
SERVICE = replace(ANN, service=True)
OBSERVER, MEMBER, ADMIN, OWNER = Role
MESSAGE = Message(
    MessageId("m"), ConversationId("c"), Seq(2), ANN.user, ANN.device, "c1", "text", "Hi", "{}", None, Millis(0)
)
OTHERS = replace(MESSAGE, sender_id=UserId("bob"))
DELETED = replace(MESSAGE, body=None, deleted_at=Millis(1))


def refused(code: str | None) -> AbstractContextManager[object]:
    """Expect a refusal, or none."""
    return nullcontext() if code is None else pytest.raises(SanctumError, check=lambda error: error.code == code)


def participation_of(
    kind: ConversationKind = ConversationKind.GROUP, *, owners: int = 1, present: int = 2
) -> Participation:
    conversation = Conversation(
        ConversationId("c"), DEFAULT_TENANT, kind, None, "{}", HistoryVisibility.ALL, ANN.user, Millis(0), 1, Seq(1)
    )
    return Participation(conversation, Participant(conversation.id, ANN.user, OWNER, Millis(0)), 1, present, owners)


def test_roles_are_ordered_by_rank() -> None:
    assert [role.rank for role in (OBSERVER, MEMBER, ADMIN, OWNER)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("role", "sends", "administers", "owns"),
    [
        (OBSERVER, "forbidden", "forbidden", "forbidden"),
        (MEMBER, None, "forbidden", "forbidden"),
        (ADMIN, None, None, "forbidden"),
        (OWNER, None, None, None),
    ],
)
def test_what_each_role_may_do(role: Role, sends: str | None, administers: str | None, owns: str | None) -> None:
    with refused(sends):
        rules.check_sends(role, any_rank=False)
    with refused(administers):
        rules.check_administers(ANN, role)
    with refused(owns):
        rules.check_owns(ANN, role)


@pytest.mark.parametrize(
    ("role", "may_grant", "may_act_on"),
    [
        (OBSERVER, set(), set()),
        (MEMBER, set(), set()),
        (ADMIN, {OBSERVER, MEMBER}, {OBSERVER, MEMBER}),
        (OWNER, set(Role), set(Role)),
    ],
)
def test_nobody_reaches_his_own_rank_but_owners(role: Role, may_grant: set[Role], may_act_on: set[Role]) -> None:
    for other in Role:
        with refused(None if other in may_grant else "forbidden"):
            rules.check_grants(ANN, role, other)
        with refused(None if other in may_act_on else "forbidden"):
            rules.check_acts_on(ANN, role, other)


@pytest.mark.parametrize("role", list(Role))
def test_one_may_go_down_by_oneself_and_never_up(role: Role) -> None:
    for granted in Role:
        allowed = granted.rank <= role.rank or role is OWNER
        with refused(None if allowed else "forbidden"):
            rules.check_re_roles(ANN, role, target=role, granted=granted, oneself=True)


def test_re_roling_another_needs_both_ends_below_oneself() -> None:
    rules.check_re_roles(ANN, ADMIN, target=MEMBER, granted=OBSERVER, oneself=False)
    for target, granted in ((ADMIN, MEMBER), (MEMBER, ADMIN)):
        with pytest.raises(ForbiddenError):
            rules.check_re_roles(ANN, ADMIN, target=target, granted=granted, oneself=False)


def test_no_rank_is_asked_of_a_service() -> None:
    rules.check_sends(OBSERVER, any_rank=True)
    rules.check_sends_type(SERVICE, "system")
    rules.check_leaves(SERVICE, OBSERVER)
    rules.check_administers(SERVICE, OBSERVER)
    rules.check_owns(SERVICE, OBSERVER)
    rules.check_grants(SERVICE, OBSERVER, OWNER)
    rules.check_acts_on(SERVICE, OBSERVER, OWNER)
    rules.check_deletes(OTHERS, SERVICE, OBSERVER)


def test_a_service_edits_for_the_sender_only() -> None:
    rules.check_edits(MESSAGE, SERVICE, OBSERVER)
    with pytest.raises(ForbiddenError):
        rules.check_edits(OTHERS, SERVICE, OWNER)


def test_system_messages_are_for_services() -> None:
    rules.check_sends_type(ANN, "text")
    with pytest.raises(ForbiddenError):
        rules.check_sends_type(ANN, "system")


def test_system_messages_are_edited_by_services_alone() -> None:
    system = replace(MESSAGE, type="system")
    rules.check_edits(system, SERVICE, OBSERVER)
    with pytest.raises(ForbiddenError):
        rules.check_edits(system, ANN, OWNER)


def test_an_observer_stays_until_he_is_removed() -> None:
    rules.check_leaves(ANN, MEMBER)
    with pytest.raises(ForbiddenError):
        rules.check_leaves(ANN, OBSERVER)


@pytest.mark.parametrize(
    ("message", "role", "edit", "deletion"),
    [
        (MESSAGE, MEMBER, None, None),
        (MESSAGE, OBSERVER, "forbidden", "forbidden"),
        (OTHERS, MEMBER, "forbidden", "forbidden"),
        (OTHERS, ADMIN, "forbidden", None),
        (DELETED, OWNER, "message_deleted", "message_deleted"),
    ],
)
def test_who_edits_and_deletes(message: Message, role: Role, edit: str | None, deletion: str | None) -> None:
    with refused(edit):
        rules.check_edits(message, ANN, role)
    with refused(deletion):
        rules.check_deletes(message, ANN, role)


def test_the_last_owner_stays() -> None:
    alone, two = participation_of(owners=1), participation_of(owners=2)
    for gains in (None, ADMIN):
        rules.check_keeps_owner(two, loses=OWNER, gains=gains)
        with pytest.raises(ConflictError, check=lambda error: error.code == "last_owner"):
            rules.check_keeps_owner(alone, loses=OWNER, gains=gains)
    rules.check_keeps_owner(alone, loses=OWNER, gains=OWNER)
    rules.check_keeps_owner(alone, loses=ADMIN, gains=None)


def test_a_direct_conversation_is_fixed() -> None:
    rules.check_not_direct(participation_of())
    with pytest.raises(ConflictError, check=lambda error: error.code == "direct_conversation_fixed"):
        rules.check_not_direct(participation_of(ConversationKind.DIRECT))


def test_a_direct_conversation_begins_with_one_member() -> None:
    rules.check_direct_form(ConversationKind.GROUP, ())
    rules.check_direct_form(ConversationKind.DIRECT, (MEMBER,))
    for roles in ((), (MEMBER, MEMBER), (ADMIN,)):
        with pytest.raises(InvalidError):
            rules.check_direct_form(ConversationKind.DIRECT, roles)


def test_a_conversation_is_full_at_its_bound() -> None:
    almost = participation_of(present=rules.MAX_PARTICIPANTS - 2)
    rules.check_room(almost, 2)
    with pytest.raises(ConflictError, check=lambda error: error.code == "too_many_participants"):
        rules.check_room(almost, 3)
