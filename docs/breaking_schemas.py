"""Compares the schemas of two documents, in the direction in which values of them go."""  # noqa: INP001 - as breaking.py

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

_LOWER_IS_NARROWER = ("maxLength", "maxItems", "maximum", "maxProperties")
_HIGHER_IS_NARROWER = ("minLength", "minItems", "minimum")


class Direction(Enum):
    """Who writes the value: what a client writes may be taken more widely, what it reads may only be said more."""

    REQUEST = auto()
    ANSWER = auto()


class Differences:
    """Two documents, and what breaks between their schemas."""

    def __init__(self, old: Json, new: Json) -> None:
        """Compare nothing yet."""
        self.old = old
        self.new = new
        self._under_way: set[tuple[str, str, Direction]] = set()

    def follow_old(self, value: Json) -> Json:
        """Follow a reference of the old document, if it is one."""
        return _follow(self.old, value)

    def follow_new(self, value: Json) -> Json:
        """Follow a reference of the new document, if it is one."""
        return _follow(self.new, value)

    def find(self, old: Json, new: Json, where: str, direction: Direction) -> Iterator[str]:
        """Find what breaks between two schemas; ``where`` names the value."""
        pair = (old.get("$ref", ""), new.get("$ref", ""), direction)
        if all(pair) and pair in self._under_way:
            return
        self._under_way.add(pair)
        yield from self._find(_alternatives(self.old, old), _alternatives(self.new, new), where, direction)
        self._under_way.discard(pair)

    def _find(self, old: dict[str, Json], new: dict[str, Json], where: str, direction: Direction) -> Iterator[str]:
        """Compare by kind of value: a client must not write a kind in vain, nor read one that it never met."""
        if direction is Direction.REQUEST:
            yield from (f"{where} may no longer be {kind}" for kind in sorted(old.keys() - new.keys()))
        else:
            yield from (f"{where} may now be {kind}" for kind in sorted(new.keys() - old.keys()))
        for kind in sorted(old.keys() & new.keys()):
            yield from self._compare(old[kind], new[kind], where, direction)

    def _compare(self, old: Json, new: Json, where: str, direction: Direction) -> Iterator[str]:
        yield from _compare_values(old, new, where)
        if direction is Direction.REQUEST:
            yield from _compare_bounds(old, new, where)
        yield from self._compare_fields(old, new, where, direction)
        if "items" in old and "items" in new:
            yield from self.find(old["items"], new["items"], f"{where}[]", direction)

    def _compare_fields(self, old: Json, new: Json, where: str, direction: Direction) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        yield from (f"{where} lost the field {name}" for name in before if name not in after)
        needed, was_needed = set(new.get("required", ())), set(old.get("required", ()))
        if direction is Direction.REQUEST:
            yield from (f"{where} needs the field {name}" for name in sorted(needed - was_needed))
        else:
            missing = sorted((was_needed - needed) & after.keys())
            yield from (f"{where} may lack the field {name}" for name in missing)
        for name in sorted(before.keys() & after.keys()):
            yield from self.find(before[name], after[name], f"{where}.{name}", direction)


def _compare_values(old: Json, new: Json, where: str) -> Iterator[str]:
    before, after = _values(old), _values(new)
    if before is not None and after is not None:
        yield from (f"{where} lost the value {value}" for value in before if value not in after)


def _values(schema: Json) -> list[object] | None:
    if "const" in schema:
        return [schema["const"]]
    values: list[object] | None = schema.get("enum")
    return values


def _compare_bounds(old: Json, new: Json, where: str) -> Iterator[str]:
    if _values(old) is None and _values(new) is not None:
        yield f"{where} takes certain values only"
    for name in _LOWER_IS_NARROWER:
        if name in new and new[name] < old.get(name, float("inf")):
            yield f"{where} has a lower {name}"
    for name in _HIGHER_IS_NARROWER:
        if name in new and new[name] > old.get(name, 0):
            yield f"{where} has a higher {name}"
    if new.get("pattern", old.get("pattern")) != old.get("pattern"):
        yield f"{where} has another pattern"


def _alternatives(document: Json, schema: Json) -> dict[str, Json]:
    """List what a value may be: by type, and by name where it may be one of several objects."""
    followed = _follow(document, schema)
    for choice in ("anyOf", "oneOf"):
        if choice in followed:
            found: dict[str, Json] = {}
            for each in followed[choice]:
                for kind, other in _alternatives(document, each).items():
                    name = each["$ref"].rpartition("/")[2] if "$ref" in each and kind == "object" else kind
                    found[name] = other
            return found
    if "allOf" in followed:
        return _alternatives(document, _merged([_follow(document, each) for each in followed["allOf"]]))
    types = followed.get("type", "anything")
    return dict.fromkeys(types, followed) if isinstance(types, list) else {types: followed}


def _merged(schemas: list[Json]) -> Json:
    """Make one object's schema of several that all hold."""
    merged: Json = {"type": "object", "properties": {}, "required": []}
    for schema in schemas:
        for name, each in schema.get("properties", {}).items():
            merged["properties"][name] = {**merged["properties"].get(name, {}), **each}
        merged["required"] += schema.get("required", ())
    return merged


def _follow(document: Json, value: Json) -> Json:
    while "$ref" in value:
        found: Json = document
        for step in value["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        value = found
    return value
