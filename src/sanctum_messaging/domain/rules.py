"""Who may do what: pure decisions on roles (docs/protocol.md, "Roles").

Every ``check_`` function returns nothing and raises the refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import ConflictError, ForbiddenError, InvalidError
from sanctum_messaging.domain.model import ConversationKind, Role

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Actor, Message, Participation

MAX_PARTICIPANTS = 10_000
"""Participants of one conversation; a list of them is still read in one go by a client."""
SYSTEM_TYPE = "system"
"""The type of the messages that a product sends in its own name."""
MAX_TYPING_PARTICIPANTS = 200
"""Above this, typing would cost more to deliver than it tells."""
MAX_READ_SIGNAL_PARTICIPANTS = 50
"""Above this, a moving read marker goes to the reader's own sockets only."""


def check_sends(role: Role, *, any_rank: bool) -> None:
    """Refuse a send by an observer."""
    if role is Role.OBSERVER and not any_rank:
        raise ForbiddenError("An observer does not send.")


def check_sends_type(actor: Actor, message_type: str) -> None:
    """Refuse a system message by anyone but a service."""
    if message_type == SYSTEM_TYPE and not actor.service:
        raise ForbiddenError("Only a service writes system messages.")


def check_leaves(actor: Actor, role: Role) -> None:
    """Refuse that an observer, who was put there to look on, leaves by himself."""
    if not actor.service and role is Role.OBSERVER:
        raise ForbiddenError("An observer does not leave; an admin removes him.")


def check_direct_form(kind: ConversationKind, roles: tuple[Role, ...]) -> None:
    """Refuse a direct conversation with anything but one other user, as a member."""
    if kind is not ConversationKind.DIRECT:
        return
    if len(roles) != 1:
        code = "too_long" if roles else "too_short"
        raise InvalidError.of_field("participants", code, "A direct conversation is with exactly one other user.")
    if roles[0] is not Role.MEMBER:
        raise InvalidError.of_field("participants[0].role", "not_allowed", "Both are members of a direct conversation.")


def check_administers(actor: Actor, role: Role) -> None:
    """Refuse a change of the conversation by anyone below admin."""
    if not actor.service and role.rank < Role.ADMIN.rank:
        raise ForbiddenError("Only admins and owners may do this.")


def check_owns(actor: Actor, role: Role) -> None:
    """Refuse the deletion of a conversation by anyone but an owner."""
    if not actor.service and role is not Role.OWNER:
        raise ForbiddenError("Only an owner may do this.")


def check_grants(actor: Actor, role: Role, granted: Role) -> None:
    """Refuse to grant a role at or above one's own; owners grant owner."""
    if actor.service:
        return
    check_administers(actor, role)
    if role is not Role.OWNER and granted.rank >= role.rank:
        raise ForbiddenError("Nobody grants a role above or equal to his own.")


def check_acts_on(actor: Actor, role: Role, target: Role) -> None:
    """Refuse to remove or re-role someone of one's own rank or higher; owners act on owners."""
    if actor.service:
        return
    check_administers(actor, role)
    if role is not Role.OWNER and target.rank >= role.rank:
        raise ForbiddenError("Nobody acts on his own rank or higher.")


def check_re_roles(actor: Actor, role: Role, *, target: Role, granted: Role, oneself: bool) -> None:
    """Refuse a role change that is neither downwards on oneself nor within one's rank."""
    if oneself and granted.rank <= role.rank:
        return
    check_acts_on(actor, role, target)
    check_grants(actor, role, granted)


def check_keeps_owner(participation: Participation, *, loses: Role, gains: Role | None) -> None:
    """Refuse that the last owner leaves or is demoted."""
    if loses is Role.OWNER and gains is not Role.OWNER and participation.owners <= 1:
        raise ConflictError("A conversation keeps at least one owner.", code="last_owner")


def check_not_direct(participation: Participation) -> None:
    """Refuse a change of participants, or the deletion, of a direct conversation."""
    if participation.conversation.kind is ConversationKind.DIRECT:
        raise ConflictError("A direct conversation is fixed.", code="direct_conversation_fixed")


def check_room(participation: Participation, added: int) -> None:
    """Refuse to grow a conversation beyond its bound."""
    if participation.present + added > MAX_PARTICIPANTS:
        raise ConflictError("The conversation is full.", code="too_many_participants")


def check_edits(message: Message, actor: Actor, role: Role) -> None:
    """Refuse an edit by anyone but the sender, by an observer, or of a deleted message.

    A system message that a service sent for a user is not his to edit: it would still read as the product's own words.
    """
    if message.sender_id != actor.user:
        raise ForbiddenError("Only the sender edits a message.")
    check_sends(role, any_rank=actor.service)
    check_sends_type(actor, message.type)
    check_not_deleted(message)


def check_deletes(message: Message, actor: Actor, role: Role) -> None:
    """Refuse a deletion by anyone but the sender or an admin, or of a deleted message."""
    if message.sender_id == actor.user:
        check_sends(role, any_rank=actor.service or role.rank >= Role.ADMIN.rank)
    else:
        check_administers(actor, role)
    check_not_deleted(message)


def check_not_deleted(message: Message) -> None:
    """Refuse a change of a message that is no more."""
    if message.deleted_at is not None:
        raise ConflictError("The message was deleted.", code="message_deleted")
