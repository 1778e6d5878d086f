"""The transcripts for themselves: that they say nothing no runner knows, and what fits a step."""

from __future__ import annotations

import json

import pytest

from sanctum_messaging.protocol.codes import CloseCode, client_reconnects
from tests.conformance.transcripts import FOLDER, Values, fill, kind_of

FIELDS = {"name", "about", "runs", "needs", "client", "values", "steps"}
STEPS = {"connect", "client", "server", "text", "close", "cut", "closed", "application", "call", "advance", "silent"}
STEPS |= {"until"}
APPLICATION = {"event", "resync", "taken", "nothing", "send", "sent", "refused", "waiting", "read", "typing", "state"}
APPLICATION |= {"restart", "close"}
NAMES = sorted(path.name for path in FOLDER.glob("*.json") if path.name != "frames.json")


@pytest.mark.parametrize("name", NAMES)
def test_a_transcript_says_what_the_runners_know(name: str) -> None:
    said = json.loads((FOLDER / name).read_text())
    assert said.keys() <= FIELDS
    assert set(said["runs"]) <= {"client", "server"}
    assert set(said.get("needs", ())) <= {"refusals"}
    for step in said["steps"]:
        assert kind_of(step) in STEPS
        assert step.get("application", {}).keys() <= APPLICATION | {"as", "message", "code"}, step


@pytest.mark.parametrize(
    ("name", "reconnects"), [("closes_after_which_it_reconnects", True), ("closes_after_which_it_stays_away", False)]
)
def test_every_close_code_of_the_service_is_told(name: str, *, reconnects: bool) -> None:
    steps = json.loads((FOLDER / f"{name}.json").read_text())["steps"]
    told = {step["close"] for step in steps if "close" in step}
    assert told >= {code for code in CloseCode if client_reconnects(code) is reconnects}
    assert all(client_reconnects(code) is reconnects for code in told)


@pytest.mark.parametrize(
    ("pattern", "found", "fits"),
    [
        ({"op": "live"}, {"op": "live", "cursor": "1"}, True),
        ({"op": "live"}, {"op": "ping", "cursor": "1"}, False),
        ({"op": "live", "cursor": "*"}, {"op": "live"}, False),
        ({"cursor": "-"}, {}, True),
        ({"cursor": "-"}, {"cursor": "1"}, False),
        ({"list": [1, "*"]}, {"list": [1, 2]}, True),
        ({"list": [1]}, {"list": [1, 2]}, False),
        ({"a": "$one", "b": "$one"}, {"a": "x", "b": "x"}, True),
        ({"a": "$one", "b": "$one"}, {"a": "x", "b": "y"}, False),
        ({"a": "$known"}, {"a": "other"}, False),
    ],
)
def test_what_fits(pattern: dict[str, object], found: dict[str, object], *, fits: bool) -> None:
    values = Values({"known": "this"})
    values.write("$known")
    assert values.fits(pattern, found) is fits


def test_what_does_not_fit_binds_nothing() -> None:
    values = Values({})
    assert not values.fits({"a": "$one", "op": "live"}, {"a": "x", "op": "ping"})
    assert values.fits({"a": "$one"}, {"a": "y"})


def test_a_frame_is_filled_in() -> None:
    event = fill({"op": "event", "cursor": "2-a", "conversationId": "c", "seq": 7, "data": {"message": {"body": "No"}}})
    message = event["data"]["message"]
    assert (message["conversationId"], message["seq"], message["body"], message["version"]) == ("c", 7, "No", 1)
    gone = {"op": "event", "cursor": "2-a", "seq": 7, "type": "participant.removed", "data": {"reason": "left"}}
    assert fill(gone)["data"] == {"reason": "left"}
