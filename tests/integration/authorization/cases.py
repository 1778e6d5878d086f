"""How each row of the table of calls is tried."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.integration.authorization.scene import Case, Given, Place, Scene
from tests.integration.calling import got

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.calling import Json

CONVERSATIONS = "/v1/conversations"
CONVERSATION = f"{CONVERSATIONS}/{{conversationId}}"
PARTICIPANTS = f"{CONVERSATION}/participants"
PARTICIPANT = f"{PARTICIPANTS}/{{userId}}"
MESSAGE = "/v1/messages/{messageId}"
ANY_VERSION = {"If-Match": "*"}


def fixed(**fields: object) -> Callable[[Given], Json]:
    """Send this body, whatever is given."""
    return lambda _: dict(fields)


def message_to(**fields: object) -> Callable[[Given], Json]:
    """Send a message to the conversation."""
    return lambda given: {
        "conversationId": given.conversation_id,
        "clientMessageId": "of-the-call",
        "body": "Hi",
        **fields,
    }


async def mute_another(scene: Scene, given: Given) -> None:
    """Have another change his own marks."""
    path = f"{CONVERSATIONS}/{given.conversation_id}/participants/other member"
    got(await scene.callers["other member"].patch(path, {"muted": True, "pinned": True}), 200)


async def edit_message(scene: Scene, given: Given) -> None:
    """Have the founder edit his message."""
    path = MESSAGE.format(messageId=given.message["id"])
    got(await scene.callers["other owner"].patch(path, {"body": "New"}, match="*"), 200)


async def delete_message(scene: Scene, given: Given) -> None:
    """Have an admin delete the message of the case."""
    got(await scene.acting_for("other admin").delete(MESSAGE.format(messageId=given.message["id"]), match="*"), 204)


def lists_conversation(answer: Json, given: Given) -> bool:
    return given.conversation_id in {each["id"] for each in answer["conversations"]}


def shows_last_message(answer: Json, given: Given) -> bool:
    return any(each["lastMessage"] == given.message for each in answer["conversations"])


def lists_message(answer: Json, given: Given) -> bool:
    return given.message in answer["messages"]


def shows_marks(answer: Json, given: Given) -> bool:
    return any("muted" in each for each in answer["participants"] if each["userId"] != given.me)


def counts_message(answer: Json, _given: Given) -> bool:
    return bool(answer["total"])


def events_of(kind: str) -> Callable[[Json, Given], bool]:
    """Look for an event of the conversation."""
    return lambda answer, given: (
        (given.conversation_id, kind) in {(each["conversationId"], each["type"]) for each in answer["events"]}
    )


def since(given: Given) -> str:
    return f"cursor={given.before}&limit=500"


DIRECT = Case(Place.DIRECT)
DELETED = Case(Place.DELETED)
CONVERSATIONS_CASES = {
    (f"POST {CONVERSATIONS}", "a new group"): Case(Place.NONE, body=fixed(kind="group", participants=[])),
    (f"POST {CONVERSATIONS}", "a new direct conversation"): Case(
        Place.NONE, body=lambda given: {"kind": "direct", "participants": [{"userId": f"friend of {given.caller}"}]}
    ),
    (f"POST {CONVERSATIONS}", "the direct conversation that is there"): Case(
        Place.DIRECT, body=lambda given: {"kind": "direct", "participants": [{"userId": given.other}]}
    ),
    (f"GET {CONVERSATIONS}", "a group"): Case(shows=lists_conversation),
    (f"GET {CONVERSATIONS}", "a deleted group"): Case(Place.DELETED, shows=lists_conversation),
    (f"GET {CONVERSATIONS}", "a message from before his time as the last one"): Case(
        Place.JOINED, shows=shows_last_message
    ),
    (f"GET {CONVERSATION}", "a group"): Case(),
    (f"GET {CONVERSATION}", "a deleted group"): DELETED,
    (f"GET {CONVERSATION}", "a direct conversation"): DIRECT,
    (f"GET {CONVERSATION}", "a group, with `Act-As` of a member"): Case(headers={"Act-As": "member"}),
    (f"PATCH {CONVERSATION}", "a group"): Case(body=fixed(title="New"), headers=ANY_VERSION),
    (f"PATCH {CONVERSATION}", "a deleted group"): Case(Place.DELETED, body=fixed(title="New"), headers=ANY_VERSION),
    (f"PATCH {CONVERSATION}", "a direct conversation"): Case(
        Place.DIRECT, body=fixed(title="New"), headers=ANY_VERSION
    ),
    (f"DELETE {CONVERSATION}", "a group"): Case(headers=ANY_VERSION),
    (f"DELETE {CONVERSATION}", "a deleted group"): Case(Place.DELETED, headers=ANY_VERSION),
    (f"DELETE {CONVERSATION}", "a direct conversation"): Case(Place.DIRECT, headers=ANY_VERSION),
}


def added(**fields: object) -> Case:
    return Case(body=fixed(**fields))


def re_roled(user: str, role: str, place: Place = Place.GROUP) -> Case:
    return Case(place, user=user, body=fixed(role=role))


def own_role(given: Given) -> Json:
    return {
        "role": {"watched": "observer"}.get(
            given.me, given.me if given.me in {"member", "admin", "owner"} else "observer"
        )
    }


PARTICIPANTS_CASES = {
    (f"GET {PARTICIPANTS}", "a group"): Case(),
    (f"GET {PARTICIPANTS}", "another's marks"): Case(then=mute_another, shows=shows_marks),
    (f"POST {PARTICIPANTS}", "an observer"): added(userId="new", role="observer"),
    (f"POST {PARTICIPANTS}", "a member"): added(userId="new"),
    (f"POST {PARTICIPANTS}", "an admin"): added(userId="new", role="admin"),
    (f"POST {PARTICIPANTS}", "an owner"): added(userId="new", role="owner"),
    (f"POST {PARTICIPANTS}", "several, an owner among them"): added(
        participants=[{"userId": "new"}, {"userId": "newer", "role": "owner"}]
    ),
    (f"POST {PARTICIPANTS}", "someone who was removed"): added(userId="removed"),
    (f"POST {PARTICIPANTS}", "someone who is in it already"): added(userId="other member"),
    (f"POST {PARTICIPANTS}", "a third user, in a direct conversation"): Case(Place.DIRECT, body=fixed(userId="new")),
    (f"PATCH {PARTICIPANT}", "another observer, to member"): re_roled("other observer", "member"),
    (f"PATCH {PARTICIPANT}", "another member, to observer"): re_roled("other member", "observer"),
    (f"PATCH {PARTICIPANT}", "another member, to admin"): re_roled("other member", "admin"),
    (f"PATCH {PARTICIPANT}", "another member, to owner"): re_roled("other member", "owner"),
    (f"PATCH {PARTICIPANT}", "another admin, to member"): re_roled("other admin", "member"),
    (f"PATCH {PARTICIPANT}", "another owner, to member"): re_roled("other owner", "member"),
    (f"PATCH {PARTICIPANT}", "the only owner, to member"): re_roled("owner", "member", Place.GROUP_OF_ONE_OWNER),
    (f"PATCH {PARTICIPANT}", "oneself, to observer"): re_roled("oneself", "observer"),
    (f"PATCH {PARTICIPANT}", "oneself, to the role one has"): Case(user="oneself", body=own_role),
    (f"PATCH {PARTICIPANT}", "oneself, to owner"): re_roled("oneself", "owner"),
    (f"PATCH {PARTICIPANT}", "one's own marks"): Case(user="oneself", body=fixed(muted=True, hidden=True, pinned=True)),
    (f"PATCH {PARTICIPANT}", "another's marks"): Case(user="other member", body=fixed(hidden=True)),
    (f"PATCH {PARTICIPANT}", "someone who is not in it"): re_roled("removed", "observer"),
    (f"PATCH {PARTICIPANT}", "the other, to observer, in a direct conversation"): re_roled(
        "the other", "observer", Place.DIRECT
    ),
    (f"PATCH {PARTICIPANT}", "one's own marks, in a direct conversation"): Case(
        Place.DIRECT, user="oneself", body=fixed(muted=True)
    ),
    (f"DELETE {PARTICIPANT}", "another observer"): Case(user="other observer"),
    (f"DELETE {PARTICIPANT}", "another member"): Case(user="other member"),
    (f"DELETE {PARTICIPANT}", "another admin"): Case(user="other admin"),
    (f"DELETE {PARTICIPANT}", "another owner"): Case(user="other owner"),
    (f"DELETE {PARTICIPANT}", "oneself"): Case(user="oneself"),
    (f"DELETE {PARTICIPANT}", "the only owner"): Case(Place.GROUP_OF_ONE_OWNER, user="owner"),
    (f"DELETE {PARTICIPANT}", "someone who is not in it"): Case(user="removed"),
    (f"DELETE {PARTICIPANT}", "the other, in a direct conversation"): Case(Place.DIRECT, user="the other"),
    (f"DELETE {PARTICIPANT}", "oneself, in a direct conversation"): Case(Place.DIRECT, user="oneself"),
}


def edit(case: Case) -> Case:
    return replace(case, body=fixed(body="New"), headers=ANY_VERSION)


def deletion(case: Case) -> Case:
    return replace(case, headers=ANY_VERSION)


MESSAGES_CASES = {
    ("POST /v1/messages", "a group"): Case(body=message_to()),
    ("POST /v1/messages", "a group, of type `system`"): Case(body=message_to(type="system")),
    ("POST /v1/messages", "a group, in reply to a message from before his time"): Case(
        Place.JOINED, body=lambda given: message_to(replyTo=given.message["id"])(given)
    ),
    ("POST /v1/messages", "one's own message, once more"): Case(
        message="own", body=message_to(clientMessageId="c1", body="Hello")
    ),
    ("POST /v1/messages", "a deleted group"): Case(Place.DELETED, body=message_to()),
    ("POST /v1/messages", "a direct conversation"): Case(Place.DIRECT, body=message_to()),
    (f"GET {CONVERSATION}/messages", "another's message"): Case(message="another's", shows=lists_message),
    (f"GET {CONVERSATION}/messages", "a message from before his time"): Case(Place.JOINED, shows=lists_message),
    (f"GET {MESSAGE}", "another's message"): Case(message="another's"),
    (f"GET {MESSAGE}", "one's own message"): Case(message="own"),
    (f"GET {MESSAGE}", "a message from before his time"): Case(Place.JOINED),
    (f"GET {MESSAGE}", "another's message in a deleted group"): Case(Place.DELETED, message="another's"),
    (f"PATCH {MESSAGE}", "one's own message"): edit(Case(message="own")),
    (f"PATCH {MESSAGE}", "another's message"): edit(Case(message="another's")),
    (f"PATCH {MESSAGE}", "a system message that a service sent for him"): edit(
        Case(message="own", message_type="system")
    ),
    (f"PATCH {MESSAGE}", "one's own deleted message"): edit(Case(message="own", then=delete_message)),
    (f"PATCH {MESSAGE}", "a message from before his time"): edit(Case(Place.JOINED)),
    (f"DELETE {MESSAGE}", "one's own message"): deletion(Case(message="own")),
    (f"DELETE {MESSAGE}", "another's message"): deletion(Case(message="another's")),
    (f"DELETE {MESSAGE}", "another's message in a direct conversation"): deletion(
        Case(Place.DIRECT, message="another's")
    ),
    (f"DELETE {MESSAGE}", "a system message that a service sent for him"): deletion(
        Case(message="own", message_type="system")
    ),
    (f"DELETE {MESSAGE}", "one's own deleted message"): deletion(Case(message="own", then=delete_message)),
    (f"DELETE {MESSAGE}", "a message from before his time"): deletion(Case(Place.JOINED)),
}
READING_CASES = {
    (f"POST {CONVERSATION}/read", "a group, up to its last seq"): Case(message="another's", body=fixed(seq=2)),
    (f"POST {CONVERSATION}/read", "a group, beyond its last seq"): Case(message="another's", body=fixed(seq=100)),
    (f"POST {CONVERSATION}/read", "a direct conversation, up to its last seq"): Case(
        Place.DIRECT, message="another's", body=fixed(seq=2)
    ),
    ("GET /v1/unread", "another's message"): Case(message="another's", shows=counts_message),
    ("GET /v1/sync", "another's message"): Case(message="another's", query=since, shows=events_of("message.created")),
    ("GET /v1/sync", "another's marks"): Case(then=mute_another, query=since, shows=events_of("participant.updated")),
    ("GET /v1/sync", "an edit of a message from before his time"): Case(
        Place.JOINED, then=edit_message, query=since, shows=events_of("message.updated")
    ),
}
LIMITS_CASES = {("GET /v1/rate-limits", "one's own limits"): Case(Place.NONE)}
OPERATIONS = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/asyncapi.json", "/docs")
CASES = {
    **CONVERSATIONS_CASES,
    **PARTICIPANTS_CASES,
    **MESSAGES_CASES,
    **READING_CASES,
    **LIMITS_CASES,
    **{(f"GET {path}", "the instance"): Case(Place.NONE) for path in OPERATIONS},
}
