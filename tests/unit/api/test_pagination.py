from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanctum_messaging.api.pagination import (
    cut_page,
    read_position_cursor,
    read_user_cursor,
    write_position_cursor,
    write_user_cursor,
)
from sanctum_messaging.domain.errors import InvalidCursorError
from sanctum_messaging.domain.model import Position, UserId
from sanctum_messaging.protocol.scalars import POSITION_CURSOR_PATTERN, USER_CURSOR_PATTERN


@given(st.integers(min_value=1, max_value=2**60 - 1))
def test_a_position_comes_back(position: int) -> None:
    assert read_position_cursor(write_position_cursor(Position(position))) == position


@given(st.text(min_size=1, max_size=255))
def test_a_user_comes_back(user: str) -> None:
    assert read_user_cursor(write_user_cursor(UserId(user))) == user


@given(st.from_regex(re.compile(USER_CURSOR_PATTERN, re.ASCII)) | st.from_regex(POSITION_CURSOR_PATTERN))
def test_whatever_has_the_form_is_taken(cursor: str) -> None:
    if cursor.startswith("u"):
        read_user_cursor(cursor)
    else:
        assert read_position_cursor(cursor) >= 0


@pytest.mark.parametrize("cursor", ["", "p", "P1", "p-1", "p1g", " p1", "p1\n", "u", "u1", "ué", "u6\n", "x" * 5_000])
def test_nothing_else_is(cursor: str) -> None:
    for read in (read_position_cursor, read_user_cursor):
        with pytest.raises(InvalidCursorError):
            read(cursor)


def test_a_page_is_cut_where_it_was_asked_to_end() -> None:
    assert cut_page([1, 2, 3], 2) == ([1, 2], True)
    assert cut_page([1, 2], 2) == ([1, 2], False)
