"""Who is in a conversation no more, or sees less of it than before, finds that on every path (S-A1 to S-A4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.asgi_socket import open_socket
from tests.integration.calling import Api, Caller, Json, got, refused

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tests.hub_client import Client
    from tests.integration.authorization.scene import Scene

in_one_loop = pytest.mark.asyncio(loop_scope="module")
CONVERSATIONS, MESSAGES = "/v1/conversations", "/v1/messages"
BEGINNING = "0-00000000"


@pytest.fixture
def api(scene: Scene) -> Api:
    return scene.api


@pytest.fixture
def tenant(scene: Scene) -> str:
    """Name a tenant for this test alone, in which nobody has done anything yet."""
    return scene.new_name("tenant")


@pytest.fixture
def ann(api: Api, tenant: str) -> Caller:
    return api.user("ann", tenant=tenant)


@pytest.fixture
def ben(api: Api, tenant: str) -> Caller:
    return api.user("ben", tenant=tenant)


def connect(api: Api, who: Caller) -> AbstractAsyncContextManager[Client]:
    return open_socket(api.service.asgi, who._headers)


async def remove(by: Caller, group: str, user: str) -> None:
    got(await by.delete(f"{CONVERSATIONS}/{group}/participants/{user}"), 204)


@in_one_loop
async def test_s_a1_nothing_follows_a_removal_on_any_path(api: Api, tenant: str, ann: Caller, ben: Caller) -> None:
    group = await ann.create("ben", "cid")
    async with connect(api, ben) as listening, connect(api, api.user("cid", tenant=tenant)) as whole:
        token = (await listening.hello())["resumeToken"]
        await whole.hello()
        for client in (listening, whole):
            await client.assert_pushed("live")
        await ann.send(group, "before")
        await remove(ann, group, "ben")
        after = await ann.send(group, "after")
        got(await ann.post(f"{CONVERSATIONS}/{group}/read", {"seq": after["seq"]}), 200)
        async with connect(api, ann) as typing:
            await typing.hello()
            await typing.assert_replied(await typing.push("typing", conversationId=group, on=True))
        for client in (listening, whole):
            await client.settle(api.service.hub.tail)
        kinds = ["message.created", "participant.removed"]
        assert [event["type"] for event in listening.events] == kinds
        assert [event["type"] for event in whole.events] == [*kinds, "message.created"]
        assert (len(listening.unasked("signal")), len(whole.unasked("signal"))) == (0, 2)
    async with connect(api, ben) as resumed:
        await resumed.hello(resumeToken=token, cursor=BEGINNING)
        await resumed.assert_pushed("live")
        assert [event["type"] for event in resumed.events] == ["participant.removed"]
    page = got(await ben.get(f"/v1/sync?cursor={BEGINNING}"), 200)
    assert [event["type"] for event in page["events"]] == ["participant.removed"]
    assert got(await ben.get("/v1/unread"), 200) == {"total": 0, "conversations": 0}
    assert got(await ben.get(CONVERSATIONS), 200)["conversations"] == []


@in_one_loop
async def test_s_a2_what_was_remembered_before_a_removal_serves_nobody_after_it(ann: Caller, ben: Caller) -> None:
    group = await ann.create("ben", "cid")
    path = f"{CONVERSATIONS}/{group}/participants"
    for _ in range(2):
        assert len(got(await ben.get(path), 200)["participants"]) == 3
    await remove(ann, group, "ben")
    refused(await ben.get(path), 404, "not_found")
    assert [each["userId"] for each in got(await ann.get(path), 200)["participants"]] == ["ann", "cid"]


@in_one_loop
async def test_s_a3_what_was_received_once_gives_no_hold_on_it(ann: Caller, ben: Caller) -> None:
    group = await ann.create({"userId": "ben", "role": "admin"})
    own, others = await ben.send(group, "own"), await ann.send(group, "others")
    tag = (await ben.get(f"{CONVERSATIONS}/{group}")).headers["etag"]
    added: Json = {"userId": "cid"}
    got(await ben.post(f"{CONVERSATIONS}/{group}/participants", added, key="k"), 201)
    await remove(ann, group, "ben")
    for message in (own, others):
        path = f"{MESSAGES}/{message['id']}"
        refused(await ben.get(path), 404, "not_found")
        refused(await ben.patch(path, {"body": "x"}, match='"v1"'), 404, "not_found")
        refused(await ben.delete(path, match='"v1"'), 404, "not_found")
        assert got(await ann.get(path), 200)["message"] == message
    refused(await ben.patch(f"{CONVERSATIONS}/{group}", {"title": "x"}, match=tag), 404, "not_found")
    refused(await ben.post(f"{CONVERSATIONS}/{group}/participants", added, key="k"), 404, "not_found")
    repeat = {"conversationId": group, "clientMessageId": "own", "body": "Hello"}
    refused(await ben.post(MESSAGES, repeat), 404, "not_found")


@in_one_loop
async def test_s_a3_an_open_socket_gives_no_hold_on_it_either(api: Api, ann: Caller, ben: Caller) -> None:
    group = await ann.create("ben")
    async with connect(api, ben) as client:
        cursor = (await client.hello())["cursor"]
        await client.assert_replied(await client.push("send", conversationId=group, clientMessageId="c", body="Hi"))
        await client.assert_replied(await client.push("typing", conversationId=group, on=True))
        await remove(ann, group, "ben")
        frames: dict[str, Json] = {
            "send": {"clientMessageId": "c", "body": "Hi"},
            "read": {"seq": 1},
            "typing": {"on": False},
        }
        for op, fields in frames.items():
            frame_id = await client.push(op, conversationId=group, **fields)
            await client.assert_replied(frame_id, code="not_found")
        await client.assert_replied(await client.push("ack", cursor=cursor))


@in_one_loop
async def test_s_a3_who_comes_back_has_the_rank_that_he_is_given_now(ann: Caller, ben: Caller) -> None:
    group = await ann.create({"userId": "ben", "role": "admin"})
    own = await ben.send(group)
    await remove(ann, group, "ben")
    got(await ann.post(f"{CONVERSATIONS}/{group}/participants", {"userId": "ben", "role": "observer"}), 201)
    refused(await ben.patch(f"{MESSAGES}/{own['id']}", {"body": "x"}, match="*"), 403, "forbidden")
    refused(await ben.patch(f"{CONVERSATIONS}/{group}", {"title": "x"}, match="*"), 403, "forbidden")


@in_one_loop
async def test_s_a4_what_is_hidden_afterwards_is_seen_on_no_path(api: Api, ann: Caller, ben: Caller) -> None:
    group = await ann.create()
    before = await ann.send(group, "before")
    got(await ann.post(f"{CONVERSATIONS}/{group}/participants", {"userId": "ben", "role": "admin"}), 201)
    message = f"{MESSAGES}/{before['id']}"
    reply = {"conversationId": group, "clientMessageId": "r", "body": "x", "replyTo": before["id"]}
    assert got(await ben.get(message), 200)["message"] == before
    async with connect(api, ben) as client:
        cursor = (await client.hello())["cursor"]
        await client.assert_pushed("live")
        got(await ann.patch(f"{CONVERSATIONS}/{group}", {"historyVisibility": "joined"}, match="*"), 200)
        got(await ann.patch(message, {"body": "New"}, match="*"), 200)
        await client.settle(api.service.hub.tail)
        assert [event["type"] for event in client.events] == ["conversation.updated"]
    for bounds in ("", "?afterSeq=0", f"?beforeSeq={before['seq'] + 1}", f"?aroundSeq={before['seq']}"):
        page = got(await ben.get(f"{CONVERSATIONS}/{group}/messages{bounds}"), 200)
        assert page == {"messages": [], "hasMore": False}
    refused(await ben.get(message), 404, "not_found")
    refused(await ben.delete(message, match="*"), 404, "not_found")
    assert got(await ben.get(CONVERSATIONS), 200)["conversations"][0]["lastMessage"] is None
    refused(await ben.post(MESSAGES, reply), 422, "invalid", "replyTo not_found")
    page = got(await ben.get(f"/v1/sync?cursor={cursor}"), 200)
    assert [event["type"] for event in page["events"]] == ["conversation.updated"]


@in_one_loop
async def test_s_a5_a_marker_is_ones_own_and_moves_forward_to_what_there_is(ann: Caller, ben: Caller) -> None:
    group = await ann.create("ben")
    for number in range(3):
        await ann.send(group, f"c{number}")
    path = f"{CONVERSATIONS}/{group}/read"
    refused(await ben.post(path, {"seq": 4, "userId": "ann"}), 422, "invalid", "userId unknown")
    refused(await ben.post(path, {"seq": 5}), 422, "seq_out_of_range", "seq too_large")
    assert got(await ben.get("/v1/unread"), 200) == {"total": 3, "conversations": 1}
    assert got(await ben.post(path, {"seq": 3}), 200) == {"readSeq": 3, "unreadCount": 1}
    assert got(await ben.post(path, {"seq": 2}), 200) == {"readSeq": 3, "unreadCount": 1}
    assert got(await ben.get("/v1/unread"), 200) == {"total": 1, "conversations": 1}
    assert got(await ann.get(CONVERSATIONS), 200)["conversations"][0]["readSeq"] == 1


@in_one_loop
async def test_s_a5_the_socket_moves_it_no_further(api: Api, ann: Caller, ben: Caller) -> None:
    group = await ann.create("ben")
    await ann.send(group)
    async with connect(api, ben) as client:
        await client.hello()
        ahead = await client.push("read", conversationId=group, seq=3)
        await client.assert_replied(ahead, code="seq_out_of_range")
        reply = await client.assert_replied(await client.push("read", conversationId=group, seq=0))
        assert reply["result"] == {"readSeq": 1, "unreadCount": 1}
