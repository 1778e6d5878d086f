"""What the calls on messages, read markers and the stream answer when all is well."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.calling import Api, Caller, got, refused

CONVERSATIONS, MESSAGES = "/v1/conversations", "/v1/messages"


@pytest.fixture
async def ann(api: Api) -> Caller:
    return api.user("ann", device="phone")


@pytest.fixture
async def bob(api: Api) -> Caller:
    return api.user("bob")


@pytest.fixture
async def group(ann: Caller) -> str:
    return await ann.create("bob", title="Lunch")


class TestMessages:
    async def test_are_sent_with_their_address_and_version(self, ann: Caller, bob: Caller, group: str) -> None:
        raw = (
            f'{{"conversationId":"{group}","clientMessageId":"c1","body":"Hello\\n\\u00e9 😀",'
            '"metadata":{"x":  [1.0, "\\u00e9"]},"type":"note"}'
        ).encode()
        response = await ann.post(MESSAGES, raw)
        message = got(response, 201)["message"]
        assert response.headers["location"] == f"{MESSAGES}/{message['id']}"
        assert response.headers["etag"] == '"v1"'
        assert '"metadata":{"x":  [1.0, "\\u00e9"]}' in response.text
        assert {name: value for name, value in message.items() if name not in {"id", "createdAt"}} == {
            "conversationId": group,
            "seq": 2,
            "senderId": "ann",
            "deviceId": "phone",
            "clientMessageId": "c1",
            "type": "note",
            "body": "Hello\né 😀",
            "metadata": {"x": [1.0, "é"]},
            "replyTo": None,
            "editedAt": None,
            "deletedAt": None,
            "version": 1,
        }
        read = await bob.get(response.headers["location"])
        assert (read.text, read.headers["etag"]) == (response.text, '"v1"')

    async def test_a_repeat_gets_the_first(self, ann: Caller, group: str) -> None:
        body = {"conversationId": group, "clientMessageId": "c1", "body": "Hello"}
        first = await ann.post(MESSAGES, body)
        again = await ann.post(MESSAGES, {**body, "type": "text", "metadata": {}})
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["idempotent-replayed"] == "true"
        assert "location" not in again.headers
        refused(await ann.post(MESSAGES, {**body, "body": "Other"}), 409, "client_message_id_reused")

    async def test_simultaneous_twins_are_one(self, ann: Caller, group: str) -> None:
        body = {"conversationId": group, "clientMessageId": "c1", "body": "Hello"}
        twins = await asyncio.gather(*(ann.post(MESSAGES, body) for _ in range(20)))
        assert sorted(twin.status_code for twin in twins) == [200] * 19 + [201]
        assert len({twin.content for twin in twins}) == 1

    async def test_are_paged_in_both_directions(self, ann: Caller, bob: Caller, group: str) -> None:
        seqs = [(await ann.send(group, f"c{n}"))["seq"] for n in range(7)]

        async def page(query: str) -> tuple[list[int], bool]:
            body = got(await bob.get(f"{CONVERSATIONS}/{group}/messages?{query}"), 200)
            return [each["seq"] for each in body["messages"]], body["hasMore"]

        assert await page("limit=3") == (seqs[4:], True)
        assert await page(f"limit=3&beforeSeq={seqs[4]}") == (seqs[1:4], True)
        assert await page(f"limit=3&beforeSeq={seqs[1]}") == (seqs[:1], False)
        assert await page("limit=3&afterSeq=0") == (seqs[:3], True)
        assert await page(f"limit=3&afterSeq={seqs[3]}") == (seqs[4:], False)
        around, more = await page(f"limit=3&aroundSeq={seqs[3]}")
        assert (around, more) == (seqs[2:5], True)
        assert await page("") == (seqs, False)
        assert await page(f"afterSeq={2**53 - 1}") == ([], False)

    async def test_are_edited_and_deleted_by_version(self, ann: Caller, bob: Caller, group: str) -> None:
        path = f"{MESSAGES}/{(await ann.send(group, metadata={'a': 1}))['id']}"
        edited = await ann.patch(path, {"body": "New"}, match='"v1"')
        message = got(edited, 200)["message"]
        assert (message["body"], message["metadata"], message["version"]) == ("New", {"a": 1}, 2)
        assert message["editedAt"] is not None
        assert edited.headers["etag"] == '"v2"'
        assert refused(await ann.delete(path, match='"v1"'), 412, "precondition_failed")["version"] == 2
        refused(await ann.patch(path, {"body": "x"}), 428, "if_match_required")
        got(await ann.delete(path, match='"v2"'), 204)
        gone = got(await bob.get(path), 200)["message"]
        assert (gone["body"], gone["metadata"], gone["version"]) == (None, None, 3)
        refused(await ann.patch(path, {"body": "x"}, match='"v3"'), 409, "message_deleted")

    async def test_two_edits_of_one_version_at_once_one_succeeds(self, ann: Caller, group: str) -> None:
        path = f"{MESSAGES}/{(await ann.send(group))['id']}"
        both = await asyncio.gather(*(ann.patch(path, {"body": body}, match='"v1"') for body in ("one", "two")))
        assert sorted(each.status_code for each in both) == [200, 412]

    async def test_reply_to_one_another(self, ann: Caller, bob: Caller, group: str) -> None:
        first = await ann.send(group)
        assert (await bob.send(group, replyTo=first["id"]))["replyTo"] == first["id"]

    async def test_of_joined_history_begin_at_the_join(self, api: Api, ann: Caller) -> None:
        group = await ann.create(historyVisibility="joined")
        before = await ann.send(group, "before")
        got(await ann.post(f"{CONVERSATIONS}/{group}/participants", {"userId": "cat"}), 201)
        cat = api.user("cat")
        listed = got(await cat.get(CONVERSATIONS), 200)["conversations"]
        assert listed[0]["lastMessage"] is None
        after = await ann.send(group, "after")
        page = got(await cat.get(f"{CONVERSATIONS}/{group}/messages"), 200)
        assert page == {"messages": [after], "hasMore": False}
        refused(await cat.get(f"{MESSAGES}/{before['id']}"), 404, "not_found")
        reply = {"conversationId": group, "clientMessageId": "r", "body": "x", "replyTo": before["id"]}
        refused(await cat.post(MESSAGES, reply), 422, "invalid", "replyTo not_found")


class TestReadMarkers:
    async def test_move_up_and_tell_what_remains(self, ann: Caller, bob: Caller, group: str) -> None:
        for n in range(3):
            await ann.send(group, f"c{n}")
        path = f"{CONVERSATIONS}/{group}/read"
        assert got(await bob.post(path, {"seq": 2}), 200) == {"readSeq": 2, "unreadCount": 2}
        assert got(await bob.post(path, {"seq": 0}), 200) == {"readSeq": 2, "unreadCount": 2}
        assert got(await bob.get("/v1/unread"), 200) == {"total": 2, "conversations": 1}
        assert got(await bob.post(path, {"seq": 4}), 200) == {"readSeq": 4, "unreadCount": 0}


class TestSync:
    async def test_begins_at_the_end_and_goes_on_from_there(self, ann: Caller, bob: Caller, group: str) -> None:
        start = got(await bob.get("/v1/sync"), 200)
        assert start["events"] == []
        message = await ann.send(group)
        page = got(await bob.get(f"/v1/sync?cursor={start['cursor']}"), 200)
        (event,) = page["events"]
        assert (event["op"], event["type"], event["data"]) == ("event", "message.created", {"message": message})
        assert page["cursor"] == event["cursor"]

    async def test_waits_for_something_to_come(self, ann: Caller, bob: Caller, group: str) -> None:
        cursor = got(await bob.get("/v1/sync"), 200)["cursor"]
        waiting = asyncio.create_task(bob.get(f"/v1/sync?cursor={cursor}&waitMs=30000"))
        await ann.send(group)
        assert len(got(await waiting, 200)["events"]) == 1

    async def test_shows_a_service_all_of_its_tenant(self, api: Api, ann: Caller, group: str) -> None:
        start = "0-00000000"
        of_tenant = got(await api.service_for().get(f"/v1/sync?cursor={start}"), 200)
        assert [event["conversationId"] for event in of_tenant["events"]] == [group]
        assert got(await api.service_for("zoe").get(f"/v1/sync?cursor={start}"), 200)["events"] == []
        assert len(got(await api.service_for("bob").get(f"/v1/sync?cursor={start}"), 200)["events"]) == 1

    async def test_a_cursor_of_another_log_is_told_where_to_go_on(self, ann: Caller, group: str) -> None:
        head = got(await ann.get("/v1/sync"), 200)["cursor"]
        for cursor in ("1-00000001", "999-00000000"):
            problem = refused(await ann.get(f"/v1/sync?cursor={cursor}"), 410, "cursor_diverged")
            assert problem["cursor"] == head
