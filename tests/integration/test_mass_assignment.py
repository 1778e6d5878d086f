"""S-A7: no call and no frame takes a field that it does not know, whoever sends it, at whatever depth.

All of it is made from the types, so that a new call, frame or resource is covered by being there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlencode

import msgspec
import pytest

from sanctum_messaging.api.routes import ROUTES
from sanctum_messaging.api.routing import NoBody
from sanctum_messaging.protocol.frames import AnyClientFrame
from tests.integration.asgi_socket import open_socket
from tests.integration.authorization.fields import example_of, foreign_fields, objects_in, query_fields
from tests.integration.authorization.scene import Case, Given, Scene, path_of
from tests.integration.calling import refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

    from sanctum_messaging.api.routing import AnyRoute
    from tests.integration.calling import Json

in_one_loop = pytest.mark.asyncio(loop_scope="module")
WRITES = [route for route in ROUTES if route.body is not NoBody]
FRAMES: tuple[type[msgspec.Struct], ...] = get_args(AnyClientFrame)
SOMEONE = Case(user="member", message="another's")


@in_one_loop
@pytest.mark.parametrize("who", ["owner", "service"])
@pytest.mark.parametrize("route", WRITES, ids=lambda route: f"{route.method} {route.path}")
async def test_s_a7_no_body_takes_a_foreign_field(scene: Scene, route: AnyRoute, who: str) -> None:
    given = await scene.arrange(SOMEONE, who)
    before = scene.dump()
    for body, faults in doctored(route.body):
        response = await call(scene, route, given, body=body)
        refused(response, 422, "invalid", *faults)
    assert scene.dump() == before


@in_one_loop
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_s_a7_no_query_takes_a_foreign_parameter(scene: Scene, route: AnyRoute) -> None:
    given = await scene.arrange(SOMEONE, "service")
    before = scene.dump()
    body = None if route.body is NoBody else example_of(route.body)
    for names in foreign_fields(query_fields(route.query)):
        response = await call(scene, route, given, body=body, query=urlencode(dict.fromkeys(names, "1")))
        refused(response, 422, "invalid", *(f"{name} unknown" for name in names))
    assert scene.dump() == before


@in_one_loop
@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.__name__)
async def test_s_a7_no_frame_takes_a_foreign_field(scene: Scene, frame: type[msgspec.Struct]) -> None:
    before = scene.dump()
    async with open_socket(scene.api.service.asgi, scene.headers_of("service")) as client:
        await client.hello()
        for number, (doctored_frame, faults) in enumerate(doctored(frame)):
            await client.push_raw(json.dumps({**doctored_frame, "id": f"d{number}"}))
            problem = (await client.assert_replied(f"d{number}", code="invalid"))["problem"]
            assert [f"{each['field']} {each['code']}" for each in problem["errors"]] == faults
    assert scene.dump() == before


def test_s_a7_objects_within_objects_are_among_them() -> None:
    within = {
        path for each in (*(route.body for route in WRITES), *FRAMES) for path, *_ in objects_in(each, example_of(each))
    }
    assert within == {"", "participants[0].", "client."}


def doctored(wanted: type[msgspec.Struct]) -> Iterator[tuple[Json, list[str]]]:
    """Make values that have foreign fields in one of their objects, each with the faults that are to be named."""
    sound = example_of(wanted)
    for path, inner, known in objects_in(wanted, sound):
        for names in foreign_fields(known):
            inner.update(dict.fromkeys(names, "owner"))
            yield json.loads(json.dumps(sound)), [f"{path}{name} unknown" for name in names]
            for name in names:
                del inner[name]


async def call(scene: Scene, route: AnyRoute, given: Given, *, body: Json | None, query: str = "") -> httpx2.Response:
    case = Case(user="member", query=(lambda _: query) if query else None)
    path = path_of(route.path, case, given)
    return await scene.callers[given.caller].call(route.method, path, body, headers={"If-Match": "*"})
