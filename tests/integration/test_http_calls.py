"""What each call answers when all is well."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

import pytest

from tests.integration.calling import Api, Caller, Json, got, refused

if TYPE_CHECKING:
    import httpx2

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


class TestConversations:
    async def test_are_created_with_their_address_and_version(self, ann: Caller) -> None:
        raw = b'{"kind":"group","title":"Lunch","metadata": {"b" : 1.50,  "a":[]},"participants":[{"userId":"bob"}]}'
        response = await ann.post(CONVERSATIONS, raw)
        conversation = got(response, 201)["conversation"]
        assert response.headers["location"] == f"{CONVERSATIONS}/{conversation['id']}"
        assert response.headers["etag"] == '"v1"'
        assert '"metadata":{"b" : 1.50,  "a":[]}' in response.text
        assert {name: conversation[name] for name in ("kind", "title", "historyVisibility", "createdBy")} == {
            "kind": "group",
            "title": "Lunch",
            "historyVisibility": "all",
            "createdBy": "ann",
        }
        again = await ann.get(response.headers["location"])
        assert got(again, 200)["conversation"] == conversation
        assert (again.headers["etag"], again.text) == ('"v1"', response.text)

    async def test_a_second_direct_one_is_the_first(self, ann: Caller, bob: Caller) -> None:
        first = await ann.post(CONVERSATIONS, {"kind": "direct", "participants": [{"userId": "bob"}]})
        again = await bob.post(CONVERSATIONS, {"kind": "direct", "participants": [{"userId": "ann"}]})
        assert got(again, 200) == got(first, 201)
        assert "location" not in again.headers
        assert "idempotent-replayed" not in again.headers

    async def test_are_listed_with_what_is_ones_own(self, ann: Caller, bob: Caller, group: str) -> None:
        message = await ann.send(group)
        got(await bob.patch(f"{CONVERSATIONS}/{group}/participants/bob", {"pinned": True}), 200)
        listed = got(await bob.get(CONVERSATIONS), 200)
        (item,) = listed["conversations"]
        assert (item["role"], item["readSeq"], item["unreadCount"], item["pinned"]) == ("member", 1, 1, True)
        assert (item["lastMessage"], item["lastSeq"]) == (message, 3)
        assert listed["nextCursor"] is None
        following = got(await bob.get(f"/v1/sync?cursor={listed['streamCursor']}"), 200)
        assert following == {"events": [], "cursor": listed["streamCursor"], "hasMore": False}

    async def test_are_paged_by_activity_while_new_ones_come(self, ann: Caller) -> None:
        ids = [await ann.create() for _ in range(5)]
        first = got(await ann.get(f"{CONVERSATIONS}?limit=2"), 200)
        await ann.create()
        second = got(await ann.get(f"{CONVERSATIONS}?limit=2&cursor={first['nextCursor']}"), 200)
        third = got(await ann.get(f"{CONVERSATIONS}?limit=2&cursor={second['nextCursor']}"), 200)
        pages = [first, second, third]
        assert [item["id"] for page in pages for item in page["conversations"]] == ids[::-1]
        assert third["nextCursor"] is None

    async def test_a_last_page_that_is_full_says_so(self, ann: Caller) -> None:
        for _ in range(2):
            await ann.create()
        assert got(await ann.get(f"{CONVERSATIONS}?limit=2"), 200)["nextCursor"] is None

    async def test_are_patched_field_by_field(self, ann: Caller, group: str) -> None:
        path = f"{CONVERSATIONS}/{group}"
        first = await ann.patch(path, {"metadata": {"a": {"b": 1}, "c": 2}}, match='"v1"')
        assert got(first, 200)["conversation"]["title"] == "Lunch"
        assert first.headers["etag"] == '"v2"'
        headers = {"If-Match": '"v7", W/"v1", "v2"', "Content-Type": "application/merge-patch+json"}
        body = json.dumps({"title": None, "metadata": {"a": {"b": None}}, "historyVisibility": "joined"}).encode()
        second = got(await ann.call("PATCH", path, body, headers=headers), 200)["conversation"]
        assert (second["title"], second["metadata"], second["historyVisibility"]) == (None, {"a": {}, "c": 2}, "joined")
        third = got(await ann.patch(path, {"metadata": None}, match="*"), 200)["conversation"]
        assert (third["metadata"], third["version"]) == ({}, 4)

    async def test_two_patches_of_one_version_at_once_one_succeeds(self, ann: Caller, group: str) -> None:
        path = f"{CONVERSATIONS}/{group}"
        for version in range(1, 11):
            both = await asyncio.gather(
                *(ann.patch(path, {"title": title}, match=f'"v{version}"') for title in ("one", "two"))
            )
            assert sorted(each.status_code for each in both) == [200, 412]
            (loser,) = [each for each in both if each.status_code == 412]
            assert refused(loser, 412, "precondition_failed")["version"] == version + 1

    async def test_once_deleted_are_nowhere(self, ann: Caller, bob: Caller, group: str) -> None:
        message = await ann.send(group)
        got(await ann.delete(f"{CONVERSATIONS}/{group}", match='"v1"'), 204)
        for path in (f"{CONVERSATIONS}/{group}", f"{CONVERSATIONS}/{group}/messages", f"{MESSAGES}/{message['id']}"):
            refused(await bob.get(path), 404, "not_found")
        assert got(await bob.get(CONVERSATIONS), 200)["conversations"] == []


class TestIdempotencyKeys:
    BODY: ClassVar[Json] = {"kind": "group", "participants": [{"userId": "bob"}]}

    async def test_a_repeat_gets_the_first_answer(self, ann: Caller) -> None:
        first = await ann.post(CONVERSATIONS, self.BODY, key="k1")
        spaced = json.dumps(self.BODY, indent=4).encode()
        again = await ann.post(CONVERSATIONS, spaced, key="k1")
        assert (again.status_code, again.content) == (201, first.content)
        for header in ("location", "etag"):
            assert again.headers[header] == first.headers[header]
        assert again.headers["idempotent-replayed"] == "true"
        assert "idempotent-replayed" not in first.headers
        assert len(got(await ann.get(CONVERSATIONS), 200)["conversations"]) == 1

    async def test_another_request_is_refused(self, ann: Caller, group: str) -> None:
        await ann.post(CONVERSATIONS, self.BODY, key="k1")
        refused(await ann.post(CONVERSATIONS, {**self.BODY, "title": "x"}, key="k1"), 422, "idempotency_key_reused")
        other_call = await ann.post(f"{CONVERSATIONS}/{group}/participants", {"userId": "cat"}, key="k1")
        refused(other_call, 422, "idempotency_key_reused")

    async def test_keys_are_ones_own(self, ann: Caller, bob: Caller) -> None:
        first = got(await ann.post(CONVERSATIONS, {"kind": "group", "participants": []}, key="k1"), 201)
        other = got(await bob.post(CONVERSATIONS, {"kind": "group", "participants": []}, key="k1"), 201)
        assert first["conversation"]["id"] != other["conversation"]["id"]

    async def test_simultaneous_twins_make_one(self, ann: Caller) -> None:
        for n in range(10):
            twins = await asyncio.gather(*(ann.post(CONVERSATIONS, self.BODY, key=f"k{n}") for _ in range(3)))
            assert len({twin.content for twin in twins}) == 1
            assert {twin.status_code for twin in twins} == {201}
            assert sum("idempotent-replayed" in twin.headers for twin in twins) == 2
        assert len(got(await ann.get(CONVERSATIONS), 200)["conversations"]) == 10

    async def test_also_for_participants(self, ann: Caller, group: str) -> None:
        path = f"{CONVERSATIONS}/{group}/participants"
        twins = await asyncio.gather(*(ann.post(path, {"userId": "cat"}, key="k1") for _ in range(3)))
        assert len({twin.content for twin in twins}) == 1
        assert {twin.status_code for twin in twins} == {201}
        got(await ann.delete(f"{path}/cat"), 204)
        assert (await ann.post(path, {"userId": "cat"}, key="k1")).content == twins[0].content
        assert len(got(await ann.get(path), 200)["participants"]) == 2

    async def test_one_that_changed_nothing_is_kept_too(self, ann: Caller, group: str) -> None:
        path = f"{CONVERSATIONS}/{group}/participants"
        there = await ann.post(path, {"userId": "bob"}, key="k1")
        got(await ann.delete(f"{path}/bob"), 204)
        again = await ann.post(path, {"userId": "bob"}, key="k1")
        assert (again.status_code, again.content) == (200, there.content)
        assert again.headers["idempotent-replayed"] == "true"

    async def test_mean_nothing_for_messages(self, ann: Caller, group: str) -> None:
        for n in range(2):
            body = {"conversationId": group, "clientMessageId": f"c{n}", "body": "Hello"}
            got(await ann.post(MESSAGES, body, key="k1"), 201)


class TestParticipants:
    async def test_are_added_one_by_one(self, ann: Caller, group: str) -> None:
        path = f"{CONVERSATIONS}/{group}/participants"
        response = await ann.post(path, {"userId": "cat", "role": "observer"})
        participant = got(response, 201)["participant"]
        assert set(participant) == {"userId", "role", "joinedAt", "leftAt"}
        assert (participant["userId"], participant["role"], participant["leftAt"]) == ("cat", "observer", None)
        assert response.headers["location"] == f"{path}/cat"
        again = await ann.post(path, {"userId": "cat", "role": "admin"})
        assert got(again, 200)["participant"] == participant
        assert "location" not in again.headers

    async def test_are_added_several_at_once(self, ann: Caller, group: str) -> None:
        path = f"{CONVERSATIONS}/{group}/participants"
        names = [f"user{n:03d}" for n in range(500)]
        response = await ann.post(path, {"participants": [{"userId": name} for name in names]})
        assert [each["userId"] for each in got(response, 201)["participants"]] == names
        assert response.headers["location"] == path
        got(await ann.post(path, {"participants": [{"userId": "user000"}]}), 200)

    async def test_are_paged_by_user_id(self, ann: Caller, group: str) -> None:
        path = f"{CONVERSATIONS}/{group}/participants"
        names = ["Zoë", "ann", "bob", "c d", "é/%2F", "名前"]
        added = [{"userId": name} for name in names if name not in {"ann", "bob"}]
        got(await ann.post(path, {"participants": added}), 201)
        first = got(await ann.get(f"{path}?limit=2"), 200)
        second = got(await ann.get(f"{path}?limit=2&cursor={first['nextCursor']}"), 200)
        third = got(await ann.get(f"{path}?limit=2&cursor={second['nextCursor']}"), 200)
        found = [each["userId"] for page in (first, second, third) for each in page["participants"]]
        assert found == sorted(names)
        assert third["nextCursor"] is None

    @pytest.mark.parametrize("name", ["a/b", "a%2Fb", "ü/ß", "..", ".", "a b+c", "?#", "名前", "x" * 255, "😀" * 255])
    async def test_any_name_works_in_a_path(self, ann: Caller, group: str, name: str) -> None:
        path = f"{CONVERSATIONS}/{group}/participants"
        created = await ann.post(path, {"userId": name})
        location = f"{path}/{quote(name, safe='')}" if name not in {".", ".."} else f"{path}/{name.replace('.', '%2E')}"
        assert created.headers["location"] == location
        assert got(await ann.patch(location, {"role": "admin"}), 200)["participant"]["userId"] == name
        page = got(await ann.get(f"{path}?limit=1"), 200)
        assert len(page["participants"]) == 1
        got(await ann.delete(location), 204)
        refused(await ann.delete(location), 404, "not_found")

    async def test_ones_own_marks_are_shown_to_oneself_alone(self, ann: Caller, bob: Caller, group: str) -> None:
        path = f"{CONVERSATIONS}/{group}/participants"
        changed = got(await bob.patch(f"{path}/bob", {"muted": True}), 200)["participant"]
        assert (changed["muted"], changed["hidden"], changed["pinned"]) == (True, False, False)
        shown = {}
        for who in (ann, bob):
            listed = got(await who.get(path), 200)["participants"]
            shown[who.name] = [each["userId"] for each in listed if "muted" in each]
        assert shown == {"ann": ["ann"], "bob": ["bob"]}

    async def test_who_was_removed_finds_nothing(self, ann: Caller, bob: Caller, group: str) -> None:
        message = await ann.send(group)
        got(await ann.delete(f"{CONVERSATIONS}/{group}/participants/bob"), 204)
        for path in (
            f"{CONVERSATIONS}/{group}",
            f"{CONVERSATIONS}/{group}/messages",
            f"{CONVERSATIONS}/{group}/participants",
            f"{MESSAGES}/{message['id']}",
        ):
            refused(await bob.get(path), 404, "not_found")
        refused(await bob.post(f"{CONVERSATIONS}/{group}/read", {"seq": 1}), 404, "not_found")
        assert got(await bob.get(CONVERSATIONS), 200)["conversations"] == []
        assert got(await bob.get("/v1/unread"), 200) == {"total": 0, "conversations": 0}


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


class TestNotFound:
    async def test_is_the_same_answer_byte_for_byte(self, api: Api, ann: Caller, group: str) -> None:
        message = (await ann.send(group))["id"]
        stranger, foreign = api.user("zoe"), api.user("ann", tenant="elsewhere")
        unknown = "01981f6e-7a3c-7c21-9d4e-5b1f0a2c3d4e"
        targets = [(stranger, group, message), (foreign, group, message)]
        targets += [(stranger, unknown, unknown), (stranger, "malformed", "malformed"), (stranger, "%00", "%ff")]
        answers: set[tuple[object, ...]] = set()
        for who, conversation, wanted in targets:
            answers |= {
                _comparable(response)
                for response in [
                    await who.get(f"{CONVERSATIONS}/{conversation}"),
                    await who.get(f"{CONVERSATIONS}/{conversation}/messages"),
                    await who.get(f"{CONVERSATIONS}/{conversation}/participants"),
                    await who.get(f"{MESSAGES}/{wanted}"),
                    await who.patch(f"{CONVERSATIONS}/{conversation}", {"title": "x"}, match='"v1"'),
                    await who.patch(f"{CONVERSATIONS}/{conversation}", {"title": "x"}),
                    await who.delete(f"{CONVERSATIONS}/{conversation}"),
                    await who.patch(f"{MESSAGES}/{wanted}", {"body": "x"}, match="*"),
                    await who.delete(f"{MESSAGES}/{wanted}"),
                    await who.post(f"{CONVERSATIONS}/{conversation}/read", {"seq": 99}),
                    await who.post(f"{CONVERSATIONS}/{conversation}/participants", {"userId": "x"}),
                    await who.delete(f"{CONVERSATIONS}/{conversation}/participants/ann"),
                    await who.patch(f"{CONVERSATIONS}/{conversation}/participants/ann", {"role": "member"}),
                ]
            }
        for conversation in (group, unknown, "malformed"):
            body = {"conversationId": conversation, "clientMessageId": "c9", "body": "x"}
            answers.add(_comparable(await stranger.post(MESSAGES, body)))
        answers.add(_comparable(await stranger.get("/v1/nowhere")))
        (answer,) = answers
        assert answer[0] == 404


def _comparable(response: httpx2.Response) -> tuple[object, ...]:
    """Take the answer without the request's id, which alone may differ."""
    request_id = response.headers["x-request-id"]
    headers = tuple((name, value) for name, value in response.headers.raw if name != b"x-request-id")
    return response.status_code, response.content.replace(request_id.encode(), b""), headers
