"""S-A6: who may not see a thing is answered as if there were none, byte for byte but for the request's id."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import pytest

from sanctum_messaging.actions import typing
from sanctum_messaging.protocol.frames import AnyClientFrame
from tests.integration.asgi_socket import open_socket
from tests.integration.authorization.requests import FRAMES, NAMING, Naming
from tests.integration.authorization.scene import Case, Place, Scene

if TYPE_CHECKING:
    import httpx2

    from tests.hub_client import Client
    from tests.integration.calling import Json

in_one_loop = pytest.mark.asyncio(loop_scope="module")
STRANGERS = ("outsider", "other tenant", "removed", "service alone", "service for outsider", "service for removed")
PAIRS = 200
"""How many answers at least are held against one another."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a call says beyond the id; a body only where the call takes one."""

    headers: dict[str, str] = field(default_factory=lambda: {"If-Match": "*"})
    body: bytes | None = None
    query: str = ""


RIGHT = Form()
WRONGS = (
    Form(headers={}),
    Form(headers={"If-Match": "v1"}),
    Form(headers={"If-Match": '"v7"'}),
    Form(headers={"Idempotency-Key": "two words"}),
    Form(body=b"{"),
    Form(body=b'{"seq": -1, "role": "god", "body": ""}'),
    Form(query="?limit=0&x=1"),
)


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids of what there is and is not for the caller."""

    group: str
    message: str

    def of(self, naming: Naming) -> str:
        return self.message if naming.of_message else self.group


def unknown() -> Ids:
    return Ids(str(uuid.uuid4()), str(uuid.uuid4()))


def malformed(ids: Ids) -> list[Ids]:
    """Write ids that none can be, some of them close to one."""
    texts = ["x", "0", "null", "*", "' OR 1=1 --", "%", "😀", "a" * 64]
    near = [Ids(ids.group.upper(), ids.message.upper()), Ids(ids.group[:-1], ids.message[:-1])]
    return [*(Ids(text, text) for text in texts), *near, Ids(ids.message, ids.group)]


@in_one_loop
async def test_s_a6_all_that_is_not_for_the_caller_is_one_404(scene: Scene) -> None:
    ids, deleted = await arrange(scene, Place.GROUP), await arrange(scene, Place.DELETED)
    answers = [await call(scene, who, each, ids.of(each)) for who in STRANGERS for each in NAMING]
    answers += [await call(scene, "owner", each, gone.of(each)) for gone in (deleted, unknown()) for each in NAMING]
    answers += [await call(scene, "owner", each, bad.of(each)) for bad in malformed(ids) for each in NAMING]
    assert len(answers) > PAIRS
    assert len(set(answers)) == 1, set(answers)
    assert answers[0].startswith("404 ")


@in_one_loop
async def test_s_a6_the_socket_says_the_same(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typing, "INTERVAL_S", 0)
    ids, deleted = await arrange(scene, Place.GROUP), await arrange(scene, Place.DELETED)
    problems = set()
    for who in (*STRANGERS, "owner"):
        named = [ids, unknown()] if who != "owner" else [deleted, unknown(), *malformed(ids)]
        async with open_socket(scene.api.service.asgi, scene.headers_of(who)) as client:
            await client.hello()
            problems |= {await push(client, op, each.group) for each in named for op in FRAMES}
    response = await scene.callers["outsider"].get(f"/v1/conversations/{ids.group}")
    assert problems == {blank(response.text, response.json()["requestId"])}


@in_one_loop
@pytest.mark.parametrize("naming", NAMING, ids=lambda naming: naming.name)
async def test_s_a6_whatever_else_is_wrong_is_told_alike(scene: Scene, naming: Naming) -> None:
    ids = await arrange(scene, Place.GROUP)
    for who in STRANGERS:
        for wrong in WRONGS:
            of_group = await call(scene, who, naming, ids.of(naming), wrong)
            assert of_group == await call(scene, who, naming, unknown().of(naming), wrong), (who, wrong)


def test_s_a6_every_frame_that_names_a_conversation_is_among_them() -> None:
    frames = AnyClientFrame.__args__
    naming = {each.__struct_config__.tag for each in frames if "conversationId" in each.__struct_encode_fields__}
    assert set(FRAMES) == naming


async def arrange(scene: Scene, place: Place) -> Ids:
    given = await scene.arrange(Case(place, message="another's"), "anonymous")
    return Ids(given.conversation_id, given.message["id"])


async def call(scene: Scene, who: str, naming: Naming, named: str, form: Form = RIGHT) -> str:
    """Make a call; return the answer, headers and all, without what is of this request alone."""
    body: Json | bytes | None = naming.body(named)
    if body is not None and form.body is not None:
        body = form.body
    path = naming.path(named) + form.query
    return written(await scene.callers[who].call(naming.route.method, path, body, headers=form.headers))


def written(response: httpx2.Response) -> str:
    headers = sorted((name, value) for name, value in response.headers.items() if name != "x-request-id")
    return f"{response.status_code} {headers} {blank(response.text, response.headers['x-request-id'])}"


async def push(client: Client, op: str, named: str) -> str:
    """Push a frame; return the problem that it is answered with."""
    frame_id = await client.push(op, conversationId=named, **FRAMES[op])
    problem = (await client.assert_replied(frame_id, code="not_found"))["problem"]
    return blank(msgspec.json.encode(problem).decode(), problem["requestId"])


def blank(text: str, request_id: str) -> str:
    """Take the request's id out of a text that holds it once."""
    assert text.count(request_id) == 1
    return text.replace(request_id, "")
