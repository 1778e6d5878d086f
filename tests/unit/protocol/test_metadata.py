from __future__ import annotations

import pytest
from msgspec import UNSET, Raw

from sanctum_messaging.protocol.decoding import FieldFaultsError, NotJSONError
from sanctum_messaging.protocol.metadata import merge_metadata, read_metadata, read_metadata_patch


def nested(levels: int, opening: str = '{"a":', closing: str = "}") -> bytes:
    return (opening * (levels - 1) + "{}" + closing * (levels - 1)).encode()


def code_of(data: bytes) -> str:
    with pytest.raises(FieldFaultsError) as refused:
        read_metadata(Raw(data))
    (fault,) = refused.value.faults
    assert fault.field == "metadata"
    return fault.code


@pytest.mark.parametrize(
    "data", [b"{}", b'{ "a" : 1.50 , "b":"\\u00e9" }', nested(8), b'{"a":[[[[[[[1]]]]]]]}', b'{"a":1,"a":2}']
)
def test_is_kept_byte_for_byte(data: bytes) -> None:
    assert read_metadata(Raw(data)).encode() == data


def test_is_empty_where_there_is_none() -> None:
    assert read_metadata(UNSET) == "{}"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"[]", "type"),
        (b"null", "type"),
        (b'"x"', "type"),
        (b"1", "type"),
        (b'{"a":"' + b"x" * 4_089 + b'"}', "too_long"),
        (nested(9), "too_deep"),
        (b'{"a":[[[[[[[[]]]]]]]]}', "too_deep"),
        # Deeper than the stack.
        (b'{"a":' + b"[" * 2_000 + b"]" * 2_000 + b"}", "too_deep"),
        (b'{"a":1e400}', "too_large"),
    ],
)
def test_has_bounds(data: bytes, code: str) -> None:
    assert code_of(data) == code


def test_may_fill_them() -> None:
    full = b'{"a":"' + b"x" * 4_088 + b'"}'
    assert len(full) == 4_096
    assert read_metadata(Raw(full)).encode() == full


def test_is_utf_8() -> None:
    with pytest.raises(NotJSONError):
        read_metadata(Raw(b'{"a":"\xff"}'))


@pytest.mark.parametrize(
    ("stored", "patch", "merged"),
    [
        # The examples of RFC 7396, appendix A, whose documents are objects.
        ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
        ('{"a":"b"}', '{"a":null}', "{}"),
        ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
        ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
        ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
        ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
        ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
        ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
        ('{"a":"b"}', None, "{}"),
    ],
)
def test_is_merged(stored: str, patch: str | None, merged: str) -> None:
    assert merge_metadata(stored, patch) == merged


def test_what_comes_out_of_a_merge_keeps_to_the_bounds() -> None:
    half = '{"%s":"' + "x" * 2_500 + '"}'
    with pytest.raises(FieldFaultsError):
        merge_metadata(half % "a", half % "b")


def test_a_patch_of_null_takes_all_away() -> None:
    assert read_metadata_patch(Raw(b"null")) is None
    assert read_metadata_patch(Raw(b'{"a":null}')) == '{"a":null}'
    with pytest.raises(FieldFaultsError):
        read_metadata_patch(Raw(b"[]"))
