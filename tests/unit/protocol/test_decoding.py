from __future__ import annotations

import sys

import pytest
from msgspec import Raw, Struct

from sanctum_messaging.protocol.decoding import FieldFaultsError, NotJSONError, StrictDecoder, parse_json


class Note(Struct, forbid_unknown_fields=True):
    text: str
    rest: Raw = Raw(b"{}")


decoder = StrictDecoder(Note)


def faults_of(raw: bytes) -> list[str]:
    with pytest.raises(FieldFaultsError) as refused:
        decoder.decode(raw)
    return [f"{each.field} {each.code}" for each in refused.value.faults]


def test_decodes_what_fits() -> None:
    note = decoder.decode('{"text": "é\\n", "rest": {"a":  1.0}}'.encode())
    assert note.text == "é\n"
    assert bytes(note.rest) == b'{"a":  1.0}'


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"nope", b'{"text": NaN}', b'{"text": "\xff"}', b"\xef\xbb\xbf{}", b'{"text": "a"} x', b"[" * 100_000],
)
def test_what_is_no_json_is_told_apart(raw: bytes) -> None:
    with pytest.raises(NotJSONError):
        decoder.decode(raw)


def test_a_fault_of_form_in_what_is_no_json_is_not_told() -> None:
    """The unknown field is met first; the document as a whole is what counts."""
    with pytest.raises(NotJSONError):
        decoder.decode(b'{"unknown": 1, "text": tru}')


def test_names_the_fields_at_fault() -> None:
    assert faults_of(b'{"text": 1, "x": 2}') == ["text type", "x unknown"]
    assert faults_of(b"null") == [" type"]


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (rb'{"text": "a\ud800b"}', "text lone_surrogate"),
        (rb'{"text": "\udc00\ud800"}', "text lone_surrogate"),
        (rb'{"text": "a", "rest": {"k": ["\ud800"]}}', "rest.k[0] lone_surrogate"),
        (rb'{"text": "a\u0000"}', "text nul"),
        (rb'{"text": "a", "rest": {"k": "\u0000"}}', "rest.k nul"),
        (rb'{"text": "a", "rest": {"\u0000": 1}}', "rest nul"),
    ],
)
def test_refuses_what_no_database_can_hold(raw: bytes, fault: str) -> None:
    assert faults_of(raw) == [fault]


@pytest.mark.parametrize("leaf", [rb'"\u0000"', rb'"\ud800"'])
def test_what_is_nested_as_deep_as_the_stack_is_refused_like_anything_deeper(leaf: bytes) -> None:
    """Some can parse what others can't walk through any more."""
    for levels in range(sys.getrecursionlimit() - 150, sys.getrecursionlimit() + 10):
        raw = b'{"text": "a", "rest": ' + b"[" * levels + leaf + b"]" * levels + b"}"
        with pytest.raises((NotJSONError, FieldFaultsError)):
            decoder.decode(raw)


def test_a_name_is_told_no_deeper_than_metadata_may_be() -> None:
    name = b"x" * 64
    raw = b'{"text": "a", "rest": ' + (b'{"%b": ' % name) * 300 + rb'["\u0000"]' + b"}" * 301
    assert faults_of(raw) == [f"rest{f'.{name.decode()}' * 8} too_deep"]


@pytest.mark.parametrize("raw", [rb'{"text": "\ud83d\ude00"}', rb'{"text": "\\u0000"}', rb'{"text": "\\ud800"}'])
def test_takes_what_only_looks_like_it(raw: bytes) -> None:
    assert decoder.decode(raw).text in {"😀", "\\u0000", "\\ud800"}


def test_parsing_bounds_what_it_takes() -> None:
    assert parse_json(b'{"a": [1, "\xc3\xa9"]}') == {"a": [1, "é"]}
    for raw in (b"1" * 5_000, b"[" * 100_000, b"Infinity", b"\xff"):
        with pytest.raises(NotJSONError):
            parse_json(raw)
