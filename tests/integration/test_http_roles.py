"""Who may do what: every call, by everyone, in one table each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.integration.calling import Api, Caller, Json, got

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    import httpx2

    Call: TypeAlias = Callable[["Scene", Caller], Awaitable[httpx2.Response]]

CALLERS = ("owner", "admin", "member", "observer", "removed", "outsider", "foreign", "nobody", "service")
"""``foreign`` is the owner's namesake in another tenant, ``service`` acts for an observer, ``nobody`` has no token."""


@dataclass
class Scene:
    """A group in which everyone has the role that he is called by, with a message of the member's in it."""

    callers: dict[str, Caller]
    group: str
    message: Json

    @property
    def path(self) -> str:
        return f"/v1/conversations/{self.group}"


async def scene_of(api: Api) -> Scene:
    callers = {name: api.user(name) for name in CALLERS}
    callers["foreign"] = api.user("owner", tenant="elsewhere")
    callers["nobody"] = api.nobody
    callers["service"] = api.service_for("watched")
    group = await callers["owner"].create(
        {"userId": "admin", "role": "admin"},
        "member",
        "other",
        "removed",
        {"userId": "observer", "role": "observer"},
        {"userId": "watched", "role": "observer"},
        {"userId": "peer", "role": "admin"},
    )
    message = await callers["member"].send(group)
    got(await callers["owner"].delete(f"/v1/conversations/{group}/participants/removed"), 204)
    return Scene(callers, group, message)


def sends(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.post("/v1/messages", {"conversationId": scene.group, "clientMessageId": "x", "body": "Hi"})


def sends_system(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.post(
        "/v1/messages", {"conversationId": scene.group, "clientMessageId": "x", "body": "Hi", "type": "system"}
    )


def edits(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.patch(f"/v1/messages/{scene.message['id']}", {"body": "New"}, match='"v1"')


def deletes_message(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.delete(f"/v1/messages/{scene.message['id']}", match='"v1"')


def reads_message(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.get(f"/v1/messages/{scene.message['id']}")


def lists_messages(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.get(f"{scene.path}/messages")


def reads(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.get(scene.path)


def renames(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.patch(scene.path, {"title": "New"}, match='"v1"')


def deletes(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.delete(scene.path, match='"v1"')


def lists_participants(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.get(f"{scene.path}/participants")


def adds_member(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.post(f"{scene.path}/participants", {"userId": "new"})


def adds_admin(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.post(f"{scene.path}/participants", {"userId": "new", "role": "admin"})


def adds_owner(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.post(f"{scene.path}/participants", {"userId": "new", "role": "owner"})


def promotes_member(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.patch(f"{scene.path}/participants/other", {"role": "admin"})


def demotes_member(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.patch(f"{scene.path}/participants/other", {"role": "observer"})


def demotes_admin(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.patch(f"{scene.path}/participants/peer", {"role": "member"})


def removes_member(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.delete(f"{scene.path}/participants/other")


def removes_admin(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.delete(f"{scene.path}/participants/peer")


def removes_owner(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.delete(f"{scene.path}/participants/owner")


def mutes(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.patch(f"{scene.path}/participants/{who.name}", {"muted": True})


def mutes_another(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.patch(f"{scene.path}/participants/other", {"muted": True})


def leaves(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.delete(f"{scene.path}/participants/{who.name}")


def marks_read(scene: Scene, who: Caller) -> Awaitable[httpx2.Response]:
    return who.post(f"{scene.path}/read", {"seq": 2})


OUT = (404, 404, 404, 401)
"""What the removed, outsiders, other tenants and nobody get, always."""
TABLE: dict[Call, tuple[int, ...]] = {
    # .................. owner admin member observer, removed outsider foreign nobody, service
    reads: (200, 200, 200, 200, *OUT, 200),
    lists_messages: (200, 200, 200, 200, *OUT, 200),
    reads_message: (200, 200, 200, 200, *OUT, 200),
    lists_participants: (200, 200, 200, 200, *OUT, 200),
    marks_read: (200, 200, 200, 200, *OUT, 200),
    mutes: (200, 200, 200, 200, *OUT, 200),
    mutes_another: (403, 403, 403, 403, *OUT, 403),
    sends: (201, 201, 201, 403, *OUT, 201),
    sends_system: (403, 403, 403, 403, 403, 403, 403, 401, 201),
    edits: (403, 403, 200, 403, *OUT, 403),
    deletes_message: (204, 204, 204, 403, *OUT, 204),
    renames: (200, 200, 403, 403, *OUT, 200),
    deletes: (204, 403, 403, 403, *OUT, 204),
    adds_member: (201, 201, 403, 403, *OUT, 201),
    adds_admin: (201, 403, 403, 403, *OUT, 201),
    adds_owner: (201, 403, 403, 403, *OUT, 201),
    promotes_member: (200, 403, 403, 403, *OUT, 200),
    demotes_member: (200, 200, 403, 403, *OUT, 200),
    demotes_admin: (200, 403, 403, 403, *OUT, 200),
    removes_member: (204, 204, 403, 403, *OUT, 204),
    removes_admin: (204, 403, 403, 403, *OUT, 204),
    removes_owner: (409, 403, 403, 403, *OUT, 409),
    leaves: (409, 204, 204, 403, *OUT, 204),
}


@pytest.mark.parametrize("call", TABLE, ids=lambda call: call.__name__)
async def test_each_call_by_everyone(api: Api, call: Call) -> None:
    """Each caller meets a scene of his own, since the calls change it."""
    found = {}
    for name in CALLERS:
        scene = await scene_of(api)
        before = api.service.hub.tail
        response = await call(scene, scene.callers[name])
        found[name] = response.status_code
        if response.is_error:
            assert api.service.hub.tail == before, name
    assert found == dict(zip(CALLERS, TABLE[call], strict=True))
