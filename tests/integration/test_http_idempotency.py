"""A repeat of a creating call gets the first answer, and an id that is unknown always the same."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, ClassVar

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
