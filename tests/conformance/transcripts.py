"""The transcripts of ``conformance/``: how they are read, and what fits them (conformance/README.md)."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "conformance"
Json = dict[str, Any]

ANYTHING = "*"
ABSENT = "-"

_FILLING: dict[str, Json] = json.loads((FOLDER / "frames.json").read_text())
"""What a runner that plays the service says where a step leaves it open."""


@dataclass(frozen=True)
class Transcript:
    """One file. ``cursor`` is what the client's storage holds at the start."""

    stem: str
    name: str
    runs: frozenset[str]
    steps: tuple[Json, ...]
    values: Json = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    cursor: str | None = None
    draw: float = 0.0

    def __str__(self) -> str:
        return self.stem


def read_transcripts(run: str, *, can: frozenset[str] = frozenset()) -> list[Transcript]:
    """Read those of a run, ``client`` or ``server``, that need nothing but what one ``can``; with its steps only."""
    paths = sorted(path for path in FOLDER.glob("*.json") if path.name != "frames.json")
    transcripts = [_read(path, run) for path in paths]
    return [each for each in transcripts if run in each.runs and each.needs <= can]


def kind_of(step: Json) -> str:
    """Tell what kind of step it is: by the one of its names that is not about another."""
    (name,) = step.keys() - {"socket", "run"}
    return str(name)


def fill(frame: Json) -> Json:
    """Complete a frame that a runner writes as the service."""
    kind = frame["op"]
    filled = _merge(_FILLING.get(kind, {}), frame)
    if kind == "event":
        _fill_event(filled, frame)
    elif kind == "ok" and "message" in filled["result"]:
        filled["result"]["message"] = _merge(_FILLING["message"], filled["result"]["message"])
    return filled


class Values:
    """What the placeholders of a transcript stand for."""

    def __init__(self, values: Json) -> None:
        self._values = values
        self.bound: Json = {}

    def write(self, pattern: Any) -> Any:  # noqa: ANN401 - any JSON
        """Write out what the runner says: what is bound, else the transcript's own value, which is bound by it."""
        if isinstance(pattern, dict):
            return {name: self.write(each) for name, each in pattern.items() if each != ABSENT}
        if isinstance(pattern, list):
            return [self.write(each) for each in pattern]
        if not _is_placeholder(pattern):
            return pattern
        name = pattern[1:]
        return self.bound.setdefault(name, self._values.get(name))

    def fits(self, pattern: Any, found: Any) -> bool:  # noqa: ANN401 - any JSON
        """Compare what the side under test said; binds what it says first, if all of it fits."""
        before = dict(self.bound)
        if self._fits(pattern, found):
            return True
        self.bound = before
        return False

    def _fits(self, pattern: Any, found: Any) -> bool:  # noqa: ANN401 - any JSON
        if isinstance(pattern, dict):
            fields = pattern.items()
            return isinstance(found, dict) and all(self._field_fits(each, found, name) for name, each in fields)
        if isinstance(pattern, list):
            same = isinstance(found, list) and len(pattern) == len(found)
            return same and all(self._fits(*pair) for pair in zip(pattern, found, strict=True))
        if _is_placeholder(pattern):
            return bool(self.bound.setdefault(pattern[1:], found) == found)
        return bool(pattern in (ANYTHING, found))

    def _field_fits(self, pattern: Any, found: Json, name: str) -> bool:  # noqa: ANN401 - any JSON
        if name not in found or pattern == ABSENT:
            return (name not in found or found[name] is None) and pattern in (ABSENT, None)
        return self._fits(pattern, found[name])


def _read(path: Path, run: str) -> Transcript:
    said = json.loads(path.read_text())
    client = said.get("client", {})
    return Transcript(
        stem=path.stem,
        name=said["name"],
        runs=frozenset(said["runs"]),
        steps=tuple(step for step in said["steps"] if step.get("run", run) == run),
        values=said.get("values", {}),
        needs=frozenset(said.get("needs", ())),
        cursor=client.get("cursor"),
        draw=client.get("draw", 0.0),
    )


def _fill_event(filled: Json, frame: Json) -> None:
    """A message in an event is of its conversation, and has its seq where it was created by it."""
    if not filled["type"].startswith("message."):
        filled["data"] = deepcopy(frame.get("data", {}))
        return
    about = {"conversationId": filled["conversationId"], "seq": filled["seq"]}
    filled["data"]["message"] = {**about, **filled["data"]["message"]}


def _merge(filling: Json, given: Json) -> Json:
    merged = deepcopy(filling)
    for name, value in given.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merge(merged[name], value) if both else deepcopy(value)
    return merged


def _is_placeholder(pattern: object) -> bool:
    return isinstance(pattern, str) and pattern.startswith("$") and len(pattern) > 1
