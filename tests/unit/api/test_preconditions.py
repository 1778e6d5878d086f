from __future__ import annotations

import pytest

from sanctum_messaging.api.preconditions import etag, parse_if_match, read_if_match
from sanctum_messaging.domain.errors import SanctumError


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        ('"v1"', {1}),
        ('"v1", "v22"', {1, 22}),
        (' "v1" ,, "v2", ', {1, 2}),
        ('W/"v1"', set()),
        ('W/"v1", "v3"', {3}),
        ('"v0"', set()),
        ('"v01"', set()),
        ('"xyz"', set()),
        ('"xW/", "v1"', {1}),
        ('"a,b"', set()),
        ('""', set()),
        ("*", None),
        (" * ", None),
    ],
)
def test_names_versions(header: str, versions: set[int] | None) -> None:
    assert parse_if_match(header).versions == (None if versions is None else frozenset(versions))


@pytest.mark.parametrize("header", ["", "v1", '"v1', 'v1"', '"v1" "v2"', '"a" *', "*, *", '"\x01"', "w/"])
def test_is_a_list_of_entity_tags(header: str) -> None:
    with pytest.raises(SanctumError) as refused:
        parse_if_match(header)
    assert refused.value.code == "bad_request"


def test_what_was_written_is_read_again() -> None:
    name, value = etag(7)
    assert name == b"etag"
    match = read_if_match({"headers": [(b"if-match", value)]})
    assert match is not None
    assert match.versions == frozenset({7})


def test_bytes_that_are_no_utf_8_are_read_as_they_are() -> None:
    match = read_if_match({"headers": [(b"if-match", b'"\xe9", "v1"')]})
    assert match is not None
    assert match.versions == frozenset({1})


def test_several_headers_are_one_list() -> None:
    match = read_if_match({"headers": [(b"if-match", b'"v1"'), (b"if-match", b'"v2"')]})
    assert match is not None
    assert match.versions == frozenset({1, 2})
    assert read_if_match({"headers": []}) is None
