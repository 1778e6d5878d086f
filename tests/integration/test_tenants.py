"""S-A9: what one tenant was given means nothing to another, even where the same names are used in both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.integration.asgi_socket import open_socket
from tests.integration.calling import Api, Caller, Json, got, refused

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tests.hub_client import Client
    from tests.integration.authorization.scene import Scene

in_one_loop = pytest.mark.asyncio(loop_scope="module")
CONVERSATIONS, MESSAGES = "/v1/conversations", "/v1/messages"
BEGINNING = "0-00000000"


@dataclass(frozen=True, slots=True)
class Tenant:
    """Two users and a group of theirs, called as those of any other tenant are."""

    name: str
    ann: Caller
    ben: Caller
    group: str
    message: Json

    def connect(self, api: Api) -> AbstractAsyncContextManager[Client]:
        return open_socket(api.service.asgi, self.ann._headers)


async def tenant_of(api: Api, name: str) -> Tenant:
    ann, ben = api.user("ann", tenant=name), api.user("ben", tenant=name)
    group = await ann.create("ben", title=name)
    return Tenant(name, ann, ben, group, await ben.send(group, body=name))


@pytest.fixture
def api(scene: Scene) -> Api:
    return scene.api


@pytest_asyncio.fixture(loop_scope="module")
async def here(scene: Scene) -> Tenant:
    return await tenant_of(scene.api, scene.new_name("here"))


@pytest_asyncio.fixture(loop_scope="module")
async def there(scene: Scene, here: Tenant) -> Tenant:
    return await tenant_of(scene.api, scene.new_name("there"))


@in_one_loop
async def test_s_a9_ids_and_etags_of_another_tenant_name_nothing(here: Tenant, there: Tenant) -> None:
    group, message = f"{CONVERSATIONS}/{here.group}", f"{MESSAGES}/{here.message['id']}"
    of_group = (await here.ann.get(group)).headers["etag"]
    of_message = (await here.ann.get(message)).headers["etag"]
    refused(await there.ann.patch(group, {"title": "Mine"}, match=of_group), 404, "not_found")
    refused(await there.ann.delete(group, match=of_group), 404, "not_found")
    refused(await there.ben.patch(message, {"body": "Mine"}, match=of_message), 404, "not_found")
    reply = {"conversationId": there.group, "clientMessageId": "r", "body": "x", "replyTo": here.message["id"]}
    refused(await there.ann.post(MESSAGES, reply), 422, "invalid", "replyTo not_found")
    assert got(await here.ann.get(message), 200)["message"] == here.message


@in_one_loop
async def test_s_a9_a_stream_cursor_of_another_tenant_shows_ones_own_alone(here: Tenant, there: Tenant) -> None:
    """There is one log, so a cursor is a place in it for everybody; what is shown from there on is not."""
    cursor = got(await here.ann.get(f"/v1/sync?cursor={BEGINNING}&limit=1"), 200)["cursor"]
    await here.ann.send(here.group, "more")
    page = got(await there.ann.get(f"/v1/sync?cursor={cursor}"), 200)
    assert {event["conversationId"] for event in page["events"]} == {there.group}


@in_one_loop
async def test_s_a9_a_page_cursor_of_another_tenant_lists_ones_own_alone(here: Tenant, there: Tenant) -> None:
    await here.ann.create("ben")
    of_list = got(await here.ann.get(f"{CONVERSATIONS}?limit=1"), 200)["nextCursor"]
    listed = got(await there.ann.get(f"{CONVERSATIONS}?cursor={of_list}"), 200)["conversations"]
    assert {each["id"] for each in listed} <= {there.group}
    of_participants = got(await here.ann.get(f"{CONVERSATIONS}/{here.group}/participants?limit=1"), 200)["nextCursor"]
    path = f"participants?cursor={of_participants}"
    refused(await there.ann.get(f"{CONVERSATIONS}/{here.group}/{path}"), 404, "not_found")
    present = got(await there.ann.get(f"{CONVERSATIONS}/{there.group}/{path}"), 200)["participants"]
    assert [each["userId"] for each in present] == ["ben"]


@in_one_loop
async def test_s_a9_a_resume_token_of_another_tenant_is_none(api: Api, here: Tenant, there: Tenant) -> None:
    async with here.connect(api) as client:
        token = (await client.hello())["resumeToken"]
    async with there.connect(api) as client:
        assert not (await client.hello(resumeToken=token))["resumed"]
    async with here.connect(api) as client:
        assert (await client.hello(resumeToken=token))["resumed"], "and it was not used up"


@in_one_loop
async def test_s_a9_an_idempotency_key_is_the_tenants_own(here: Tenant, there: Tenant) -> None:
    body: Json = {"kind": "group", "participants": []}
    first = await here.ann.post(CONVERSATIONS, body, key="k")
    second = await there.ann.post(CONVERSATIONS, body, key="k")
    assert got(first, 201)["conversation"]["id"] != got(second, 201)["conversation"]["id"]
    assert "idempotent-replayed" not in second.headers
    path = f"{CONVERSATIONS}/{{}}/participants"
    got(await here.ann.post(path.format(here.group), {"userId": "cid"}, key="p"), 201)
    refused(await there.ann.post(path.format(here.group), {"userId": "cid"}, key="p"), 404, "not_found")
    got(await there.ann.post(path.format(there.group), {"userId": "cid"}, key="p"), 201)


@in_one_loop
async def test_s_a9_the_same_names_in_two_tenants_never_meet(api: Api, here: Tenant, there: Tenant) -> None:
    assert here.message["clientMessageId"] == there.message["clientMessageId"]
    assert here.message["id"] != there.message["id"]
    direct: Json = {"kind": "direct", "participants": [{"userId": "ben"}]}
    pair = [got(await each.ann.post(CONVERSATIONS, direct), 201)["conversation"]["id"] for each in (here, there)]
    assert pair[0] != pair[1]
    for each, own in ((here, {here.group, pair[0]}), (there, {there.group, pair[1]})):
        assert {item["id"] for item in got(await each.ben.get(CONVERSATIONS), 200)["conversations"]} == own
        assert got(await each.ann.get("/v1/unread"), 200) == {"total": 1, "conversations": 1}
    await here.ann.post(f"{CONVERSATIONS}/{here.group}/read", {"seq": 2})
    assert got(await there.ann.get("/v1/unread"), 200)["total"] == 1


@in_one_loop
async def test_s_a9_sockets_and_signals_keep_to_their_tenant(api: Api, here: Tenant, there: Tenant) -> None:
    async with here.connect(api) as near, there.connect(api) as far:
        for client in (near, far):
            await client.hello()
            await client.assert_pushed("live")
        sent = await here.ben.send(here.group, "live")
        got(await here.ben.post(f"{CONVERSATIONS}/{here.group}/read", {"seq": sent["seq"]}), 200)
        await near.assert_pushed("signal", type="read")
        await near.assert_event("message.created", id=sent["id"])
        await far.settle(api.service.hub.tail)
        assert (far.events, far.unasked("signal")) == ([], [])
        # Ann is shown typing here; her namesake, who shares no limit with her, is shown typing there all the same.
        for client, each in ((near, here), (far, there)):
            async with open_socket(api.service.asgi, each.ben._headers) as ben:
                await ben.hello()
                await ben.assert_pushed("live")
                await client.assert_replied(await client.push("typing", conversationId=each.group, on=True))
                await ben.assert_pushed("signal", type="typing", userId="ann", on=True)


@in_one_loop
async def test_s_a9_a_service_reads_and_acts_in_its_own_tenant(api: Api, here: Tenant, there: Tenant) -> None:
    backend = api.user("backend", tenant=there.name, scope="messaging:admin")
    page = got(await backend.get(f"/v1/sync?cursor={BEGINNING}&limit=500"), 200)
    assert {event["conversationId"] for event in page["events"]} == {there.group}
    headers = {"Act-As": "ann"}
    got(await backend.call("GET", f"{CONVERSATIONS}/{there.group}", headers=headers), 200)
    refused(await backend.call("GET", f"{CONVERSATIONS}/{here.group}", headers=headers), 404, "not_found")
