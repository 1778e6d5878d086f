"""The examples of the documents are what a running service answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sanctum_messaging.api.openapi.document import create_document
from sanctum_messaging.api.openapi.examples import EXAMPLES
from sanctum_messaging.api.openapi.scenes import SCENES
from sanctum_messaging.api.openapi.schemas import operation_id
from sanctum_messaging.api.routes import ROUTES
from tests.integration.calling import got, open_api

if TYPE_CHECKING:
    from pathlib import Path

    from sanctum_messaging.api.openapi.story import Json, Scene
    from tests.integration.calling import Api, Caller

DEVICES = {"alice": "laptop", "bob": "phone"}
NAMES_OF_THE_DAY = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|[0-9]+-[0-9a-f]{8}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"
)
"""Ids, cursors and times: they are others each time, and the same wherever the story says the same."""

OF_THE_MOMENT = {"remaining", "resetMs"}


class Told:
    """What the story's ids, cursors and times are this time."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def translate(self, text: str) -> str:
        """Write a text of the story with the names of this time."""
        return NAMES_OF_THE_DAY.sub(lambda found: self._names[found[0]], text)

    def learn(self, written: Any, answered: Any) -> None:  # noqa: ANN401 - JSON has no narrower type
        """Learn the names that stand in an answer, where the story first uses them."""
        match written, answered:
            case str(), str() if NAMES_OF_THE_DAY.fullmatch(written):
                self._names.setdefault(written, answered)
            case dict(), dict():
                for name in written.keys() & answered.keys():
                    self.learn(written[name], answered[name])
            case list(), list():
                for each, other in zip(written, answered, strict=False):
                    self.learn(each, other)
            case _:
                pass

    def translate_all(self, value: Any) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Write an answer of the story with the names of this time."""
        match value:
            case str():
                return self.translate(value)
            case dict():
                return {name: self.translate_all(each) for name, each in value.items()}
            case list():
                return [self.translate_all(each) for each in value]
            case _:
                return value


async def test_the_story_is_what_happens(tmp_path: Path) -> None:
    """With the one limit that the story looks at, as it is by default."""
    async with open_api(tmp_path, RATE_LIMIT_PER_USER="240") as api:
        await tell(api)


async def tell(api: Api) -> None:
    """Live through all scenes."""
    told = Told()
    callers = {name: api.user(name, device=DEVICES.get(name, "-")) for name in sorted({each.caller for each in SCENES})}
    for scene in SCENES:
        await play(scene, callers[scene.caller], told)


async def play(scene: Scene, caller: Caller, told: Told) -> None:
    """Make the call of a scene, and compare what comes with what it says."""
    route = next(each for each in ROUTES if operation_id(each) == scene.operation)
    path = route.path.format(**told.translate_all(scene.params))
    if scene.operation == "getSync":
        # The one cursor that no scene before it was answered with: the conversation's creation.
        answer = got(await caller.get("/v1/sync?cursor=0-00000000&limit=1"), 200)
        told.learn(scene.query["cursor"], answer["cursor"])
    query = urlencode(told.translate_all(scene.query))
    body = told.translate_all(scene.body)
    response = await caller.call(route.method, f"{path}?{query}".rstrip("?"), body, headers=scene.headers)

    reply: Json | None = got(response, scene.status) or None
    told.learn(scene.reply, reply)
    assert without_moments(reply) == without_moments(told.translate_all(scene.reply)), scene.summary
    # What is learned of an id stands in the address of what was created too.
    expected = told.translate_all(scene.reply_headers)
    kept = {
        name: response.headers[name] for name in ("ETag", "Location", "Idempotent-Replayed") if name in response.headers
    }
    assert kept == expected, scene.summary


def without_moments(value: Any) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Leave out what only tells how fast the calls before it were."""
    match value:
        case dict():
            return {name: without_moments(each) for name, each in value.items() if name not in OF_THE_MOMENT}
        case list():
            return [without_moments(each) for each in value]
        case _:
            return value


def test_every_good_answer_is_in_the_story() -> None:
    told = {(scene.operation, scene.status) for scene in SCENES}
    assert told == {(operation_id(route), status) for route in ROUTES for status in route.replies}


async def test_what_operators_are_shown_is_what_they_get(api: Api) -> None:
    assert got(await api.nobody.get("/healthz"), 200) == EXAMPLES["HealthResult"]
    assert got(await api.nobody.get("/readyz"), 200) == EXAMPLES["ReadinessResult"]
    await api.user("alice").create("bob")
    metrics = create_document(ROUTES)["paths"]["/metrics"]["get"]["responses"]["200"]["content"]["text/plain"]
    about, _ = metrics["example"].splitlines()
    assert about in (await api.nobody.get("/metrics")).text.splitlines()
