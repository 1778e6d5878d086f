"""What the calls on conversations and participants answer when all is well."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

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
