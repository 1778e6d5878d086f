from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from sanctum_messaging.protocol.codes import FIELD_CODES
from sanctum_messaging.protocol.faults import MAX_FAULTS, find_faults
from sanctum_messaging.protocol.frames import Send


class Inner(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=3, pattern="^[a-z]*$")]


class Outer(Struct, rename="camel", forbid_unknown_fields=True):
    count: Annotated[int, Meta(ge=0, le=9)]
    some_flag: bool = False
    kind: Literal["a", "b"] = "a"
    note: str | None = None
    extra: Annotated[Raw, Meta(description="anything")] | UnsetType = UNSET
    inner: Inner | UnsetType = UNSET
    items: Annotated[list[Inner], Meta(min_length=1, max_length=2)] | UnsetType = UNSET


class Other(Struct):
    ratio: float


class Open(Struct):
    count: int = 0


def found(value: object, wanted: type = Outer) -> list[str]:
    return [f"{each.field} {each.code}" for each in find_faults(wanted, value)]


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ({"count": 1}, []),
        ({"count": 1, "note": None, "someFlag": True, "extra": None, "items": [{"name": "x"}]}, []),
        ({}, ["count missing"]),
        ([], [" type"]),
        ({"count": "1"}, ["count type"]),
        ({"count": True}, ["count type"]),
        ({"count": 1.0}, ["count type"]),
        ({"count": -1}, ["count too_small"]),
        ({"count": 10}, ["count too_large"]),
        ({"count": 1, "someFlag": 1}, ["someFlag type"]),
        ({"count": 1, "some_flag": True}, ["some_flag unknown"]),
        ({"count": 1, "kind": "c"}, ["kind not_allowed"]),
        ({"count": 1, "kind": None}, ["kind type"]),
        ({"count": 1, "note": 7}, ["note type"]),
        ({"count": 1, "note": "a\x00"}, ["note nul"]),
        ({"count": 1, "note": "a\ud800"}, ["note lone_surrogate"]),
        ({"count": 1, "note": "é😀"}, []),
        ({"count": 1, "inner": None}, ["inner type"]),
        ({"count": 1, "inner": {"name": ""}}, ["inner.name too_short"]),
        ({"count": 1, "inner": {"name": "abcd"}}, ["inner.name too_long"]),
        ({"count": 1, "inner": {"name": "A"}}, ["inner.name pattern"]),
        ({"count": 1, "items": {}}, ["items type"]),
        ({"count": 1, "items": []}, ["items too_short"]),
        ({"count": 1, "items": [{}, {}, {}]}, ["items too_long"]),
        ({"count": 1, "items": [{"name": "a"}, {"x": 1}]}, ["items[1].name missing", "items[1].x unknown"]),
        (
            {"count": 1, "extra": {"a": ["\x00"], "b\x00": "\udfff"}},
            ["extra.a[0] nul", "extra nul", "extra.b\x00 lone_surrogate"],
        ),
        ({"kind": 1, "x": 1}, ["count missing", "kind type", "x unknown"]),
    ],
)
def test_every_fault_is_named(value: object, faults: list[str]) -> None:
    assert found(value) == faults


def test_a_value_without_faults_is_one_that_msgspec_takes() -> None:
    """The two judge alike, so that nothing is refused without a field or named without a refusal."""
    good = {"count": 1, "inner": {"name": "a"}, "items": [{"name": "b"}], "note": None, "kind": "b"}
    msgspec.convert({**good, "count": 9}, Outer)
    assert found(good) == []
    for name, bad in (("count", 10), ("kind", "c"), ("note", 1), ("inner", {"name": "A"}), ("items", []), ("z", 1)):
        value = {**good, name: bad}
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, Outer)
        assert found(value), name


def test_unknown_fields_are_told_only_where_they_are_refused() -> None:
    assert found({"x": 1}, Open) == []


def test_the_op_of_a_frame_is_known() -> None:
    assert found({"op": "send", "id": "1", "conversationId": "c", "clientMessageId": "m", "body": "x"}, Send) == []


def test_the_list_of_faults_and_the_names_in_it_are_bounded() -> None:
    faults = find_faults(Outer, {"count": 1, **{f"{n:03d}" + "x" * 1_000: 1 for n in range(100)}})
    assert len(faults) == MAX_FAULTS
    assert max(len(each.field) for each in faults) == 64


def test_a_name_that_cannot_be_encoded_is_shown_without_what_cannot() -> None:
    (fault,) = find_faults(Outer, {"count": 1, "a\ud800": 1})
    assert fault.field == "a?"
    msgspec.json.encode(fault)


def test_other_types_are_left_to_msgspec() -> None:
    assert find_faults(Other, {"ratio": "x"}) == []


def test_every_code_is_in_the_catalogue() -> None:
    everything = {"count": "x", "kind": "c", "note": "\x00", "inner": {"name": "A"}, "items": [], "z": 1}
    assert {each.code for each in find_faults(Outer, everything)} <= set(FIELD_CODES)
