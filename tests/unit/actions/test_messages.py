from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.actions.conversations import NewConversation, create_conversation
from sanctum_messaging.actions.decisions import VersionMatch
from sanctum_messaging.actions.memberships import NewParticipant, add_participants, remove_participant
from sanctum_messaging.actions.messages import (
    MessageEdit,
    NewMessage,
    delete_message,
    edit_message,
    get_message,
    list_messages,
    send_message,
)
from sanctum_messaging.domain.errors import (
    ConflictError,
    FieldFault,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PreconditionError,
)
from sanctum_messaging.domain.events import EventKind, MessageChange
from sanctum_messaging.domain.model import (
    Actor,
    ConversationId,
    ConversationKind,
    HistoryVisibility,
    Message,
    MessageId,
    Role,
    UserId,
)
from sanctum_messaging.ports.store import MessageBounds
from tests.acting import Heard, actor

if TYPE_CHECKING:
    from sanctum_messaging.ports import Ports
    from tests.conftest import HandClock

OWNER, ADMIN, MEMBER, OBSERVER, STRANGER = (
    actor(name) for name in ("owner", "admin", "member", "observer", "stranger")
)
SERVICE = replace(OBSERVER, service=True)
ANY = VersionMatch(None)
EDIT = MessageEdit("Edited")


async def create(ports: Ports, visibility: HistoryVisibility = HistoryVisibility.ALL) -> ConversationId:
    roles = {"admin": Role.ADMIN, "member": Role.MEMBER, "observer": Role.OBSERVER}
    others = tuple(NewParticipant(UserId(name), role) for name, role in roles.items())
    new = NewConversation(ConversationKind.GROUP, others, visibility=visibility)
    created = await create_conversation(ports, OWNER, new)
    assert created.answer.conversation is not None
    return created.answer.conversation.id


@pytest.fixture
async def group(ports: Ports) -> ConversationId:
    """Everybody is in it with the role that he is called by."""
    return await create(ports)


def new(group: ConversationId, client_message_id: str = "c1", **rest: object) -> NewMessage:
    message = NewMessage(group, client_message_id, "Hello", "text", "{}")
    return replace(message, **rest)  # type: ignore[arg-type]  # test data


async def send(ports: Ports, who: Actor, group: ConversationId, client_message_id: str = "c1") -> Message:
    return (await send_message(ports, who, new(group, client_message_id))).message


class TestSend:
    async def test_appends_what_was_sent(
        self, ports: Ports, group: ConversationId, clock: HandClock, heard: Heard
    ) -> None:
        sent = await send_message(ports, MEMBER, new(group, metadata='{"a":  1.0}'))
        message = sent.message
        assert (message.sender_id, message.device_id, message.seq) == ("member", "member-phone", 2)
        assert (message.body, message.metadata, message.type) == ("Hello", '{"a":  1.0}', "text")
        assert (message.created_at, message.version, sent.replayed) == (clock.now(), 1, False)
        assert await get_message(ports, OBSERVER, message.id) == message
        assert heard.events[-1].kind is EventKind.MESSAGE_CREATED

    async def test_of_one_caller_keep_their_order(self, ports: Ports, group: ConversationId) -> None:
        """Tasks start in the order in which they are made, and no send is overtaken before it is in the queue."""
        sent = await asyncio.gather(*(send(ports, MEMBER, group, f"c{n}") for n in range(300)))
        assert [message.seq for message in sent] == list(range(2, 302))

    async def test_a_repeat_gets_the_first_message(self, ports: Ports, group: ConversationId, heard: Heard) -> None:
        first = await send_message(ports, MEMBER, new(group))
        again = await send_message(ports, replace(MEMBER, device=OWNER.device), new(group))
        assert again.replayed
        assert again.message == first.message
        assert len(heard.events) == 2

    @pytest.mark.parametrize("other", [{"body": "Other"}, {"type": "image"}, {"metadata": '{"a":1}'}, "reply"])
    async def test_other_content_under_the_same_id_is_refused(
        self, ports: Ports, group: ConversationId, other: dict[str, object] | str
    ) -> None:
        first = await send(ports, MEMBER, group)
        changed = {"reply_to": first.id} if isinstance(other, str) else other
        with pytest.raises(ConflictError) as refused:
            await send_message(ports, MEMBER, new(group, **changed))
        assert refused.value.code == "client_message_id_reused"

    async def test_a_repeat_after_an_edit_and_a_deletion_still_gets_the_message(
        self, ports: Ports, group: ConversationId
    ) -> None:
        first = await send(ports, MEMBER, group)
        await edit_message(ports, MEMBER, first.id, edit=EDIT, match=ANY)
        assert (await send(ports, MEMBER, group)).body == "Edited"
        await delete_message(ports, MEMBER, first.id, match=ANY)
        again = await send_message(ports, MEMBER, new(group))
        assert again.replayed
        assert (again.message.id, again.message.body) == (first.id, None)

    async def test_is_not_for_observers_nor_for_outsiders(self, ports: Ports, group: ConversationId) -> None:
        with pytest.raises(ForbiddenError):
            await send(ports, OBSERVER, group)
        for who in (STRANGER, actor("member", tenant="elsewhere")):
            with pytest.raises(NotFoundError):
                await send(ports, who, group)
        with pytest.raises(NotFoundError):
            await send(ports, MEMBER, ConversationId("malformed"))

    async def test_system_messages_are_for_services(self, ports: Ports, group: ConversationId) -> None:
        with pytest.raises(ForbiddenError):
            await send_message(ports, OWNER, new(group, type="system"))
        sent = await send_message(ports, SERVICE, new(group, type="system"))
        assert sent.message.type == "system"

    async def test_replies_to_what_the_sender_sees(self, ports: Ports, group: ConversationId) -> None:
        first = await send(ports, MEMBER, group)
        sent = await send_message(ports, ADMIN, new(group, reply_to=first.id))
        assert sent.message.reply_to == first.id
        elsewhere = await send(ports, OWNER, await create(ports))
        for unseen in (elsewhere.id, MessageId("malformed")):
            with pytest.raises(InvalidError) as refused:
                await send_message(ports, ADMIN, new(group, "c2", reply_to=unseen))
            assert refused.value.faults == (FieldFault("replyTo", "not_found"),)


class TestRead:
    async def test_outsiders_find_nothing(self, ports: Ports, group: ConversationId) -> None:
        message = await send(ports, MEMBER, group)
        await remove_participant(ports, OWNER, group, user_id=ADMIN.user)
        for who in (STRANGER, ADMIN, actor("member", tenant="elsewhere")):
            with pytest.raises(NotFoundError):
                await get_message(ports, who, message.id)
            with pytest.raises(NotFoundError):
                await list_messages(ports, who, group, bounds=MessageBounds(), limit=10)

    async def test_pages_ascend(self, ports: Ports, group: ConversationId) -> None:
        sent = [await send(ports, MEMBER, group, f"c{n}") for n in range(5)]
        newest, more = await list_messages(ports, OBSERVER, group, bounds=MessageBounds(), limit=2)
        assert (list(newest), more) == (sent[3:], True)
        oldest, more = await list_messages(ports, OBSERVER, group, bounds=MessageBounds(before=sent[2].seq), limit=2)
        assert (list(oldest), more) == (sent[:2], False)

    async def test_joined_history_begins_at_the_join(self, ports: Ports) -> None:
        group = await create(ports, HistoryVisibility.JOINED)
        before = await send(ports, MEMBER, group)
        await add_participants(ports, OWNER, group, added=[NewParticipant(STRANGER.user)])
        after = await send(ports, MEMBER, group, "c2")
        page, _ = await list_messages(ports, STRANGER, group, bounds=MessageBounds(), limit=10)
        assert list(page) == [after]
        with pytest.raises(NotFoundError):
            await get_message(ports, STRANGER, before.id)


class TestEdit:
    async def test_gives_a_new_version(self, ports: Ports, group: ConversationId, clock: HandClock) -> None:
        first = (await send_message(ports, MEMBER, new(group, metadata='{"a":1}'))).message
        clock.advance(60)
        kept = await edit_message(ports, MEMBER, first.id, edit=EDIT, match=VersionMatch(frozenset({1})))
        assert kept == replace(first, body="Edited", edited_at=clock.now(), version=2)
        replaced = await edit_message(ports, MEMBER, first.id, edit=MessageEdit("Again", "{}"), match=ANY)
        assert (replaced.metadata, replaced.version) == ("{}", 3)
        assert replaced == await get_message(ports, MEMBER, first.id)

    @pytest.mark.parametrize(
        ("who", "allowed"),
        [(MEMBER, True), (ADMIN, False), (OWNER, False), (SERVICE, False), (replace(MEMBER, service=True), True)],
    )
    async def test_is_for_the_sender(self, ports: Ports, group: ConversationId, who: Actor, *, allowed: bool) -> None:
        message = await send(ports, MEMBER, group)
        if allowed:
            await edit_message(ports, who, message.id, edit=EDIT, match=ANY)
        else:
            with pytest.raises(ForbiddenError):
                await edit_message(ports, who, message.id, edit=EDIT, match=ANY)

    async def test_of_two_at_once_one_succeeds(self, ports: Ports, group: ConversationId) -> None:
        message = await send(ports, MEMBER, group)
        outcomes = await asyncio.gather(
            *(
                edit_message(ports, MEMBER, message.id, edit=MessageEdit(body), match=VersionMatch(frozenset({1})))
                for body in ("one", "two")
            ),
            return_exceptions=True,
        )
        assert sorted(type(each).__name__ for each in outcomes) == ["Message", "PreconditionError"]

    async def test_refusals_come_before_preconditions(self, ports: Ports, group: ConversationId) -> None:
        message = await send(ports, MEMBER, group)
        with pytest.raises(NotFoundError):
            await edit_message(ports, STRANGER, message.id, edit=EDIT, match=None)
        with pytest.raises(ForbiddenError):
            await edit_message(ports, ADMIN, message.id, edit=EDIT, match=None)
        with pytest.raises(PreconditionError) as refused:
            await edit_message(ports, MEMBER, message.id, edit=EDIT, match=None)
        assert refused.value.code == "if_match_required"

    @pytest.mark.parametrize("visibility", list(HistoryVisibility))
    async def test_says_whether_it_is_for_those_who_saw_the_message(
        self, ports: Ports, visibility: HistoryVisibility, heard: Heard
    ) -> None:
        message = await send(ports, MEMBER, await create(ports, visibility))
        await edit_message(ports, MEMBER, message.id, edit=EDIT, match=ANY)
        await delete_message(ports, MEMBER, message.id, match=ANY)
        for event in heard.events[-2:]:
            assert isinstance(event.body, MessageChange)
            assert event.body.joined_only is (visibility is HistoryVisibility.JOINED)


class TestDelete:
    async def test_takes_the_content_away(
        self, ports: Ports, group: ConversationId, clock: HandClock, heard: Heard
    ) -> None:
        first = await send(ports, MEMBER, group)
        await delete_message(ports, MEMBER, first.id, match=VersionMatch(frozenset({1})))
        gone = await get_message(ports, OWNER, first.id)
        assert gone == replace(first, body=None, metadata=None, deleted_at=clock.now(), version=2)
        assert heard.events[-1].kind is EventKind.MESSAGE_DELETED

    @pytest.mark.parametrize(
        ("who", "allowed"), [(MEMBER, True), (OBSERVER, False), (ADMIN, True), (OWNER, True), (SERVICE, True)]
    )
    async def test_is_for_the_sender_and_admins(
        self, ports: Ports, group: ConversationId, who: Actor, *, allowed: bool
    ) -> None:
        message = await send(ports, MEMBER, group)
        if allowed:
            await delete_message(ports, who, message.id, match=ANY)
        else:
            with pytest.raises(ForbiddenError):
                await delete_message(ports, who, message.id, match=ANY)

    async def test_another_member_may_not(self, ports: Ports, group: ConversationId) -> None:
        await add_participants(ports, OWNER, group, added=[NewParticipant(STRANGER.user)])
        message = await send(ports, MEMBER, group)
        with pytest.raises(ForbiddenError):
            await delete_message(ports, STRANGER, message.id, match=ANY)

    async def test_happens_once(self, ports: Ports, group: ConversationId) -> None:
        message = await send(ports, MEMBER, group)
        await delete_message(ports, MEMBER, message.id, match=ANY)
        with pytest.raises(ConflictError) as refused:
            await delete_message(ports, MEMBER, message.id, match=ANY)
        assert refused.value.code == "message_deleted"
        with pytest.raises(ConflictError):
            await edit_message(ports, MEMBER, message.id, edit=EDIT, match=ANY)

    async def test_who_was_removed_changes_nothing(self, ports: Ports, group: ConversationId) -> None:
        message = await send(ports, MEMBER, group)
        await remove_participant(ports, OWNER, group, user_id=MEMBER.user)
        with pytest.raises(NotFoundError):
            await delete_message(ports, MEMBER, message.id, match=ANY)
        with pytest.raises(NotFoundError):
            await edit_message(ports, MEMBER, message.id, edit=EDIT, match=ANY)
