from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanctum_messaging.domain.errors import CursorLostError, InvalidCursorError, PreconditionError, UnavailableError
from sanctum_messaging.domain.events import Interval
from sanctum_messaging.domain.model import ORIGIN, Cursor, Position, Seq


@given(st.integers(0, 2**63 - 1), st.from_regex(r"[0-9a-f]{8}", fullmatch=True))
def test_a_cursor_survives_its_text(position: int, tag: str) -> None:
    cursor = Cursor(Position(position), tag)
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1-",
        "-1-00000000",
        "01-00000000",
        "1-0000000",
        "1-000000000",
        "1-0000000G",
        "1-ABCDEF00",
        " 1-00000000",
        "1-00000000\n",
        "٣-00000000",
        f"{2**63}-00000000",
        "99999999999999999999-00000000",
    ],
)
def test_what_was_never_given_out_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidCursorError) as refused:
        Cursor.parse(text)
    assert refused.value.faults[0].field == "cursor"


@given(st.text())
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    with suppress(InvalidCursorError):
        assert str(Cursor.parse(text)) == text


def test_the_beginning_is_a_cursor() -> None:
    assert Cursor.parse("0-00000000") == ORIGIN


def test_an_interval_includes_both_ends() -> None:
    closed, lasting = Interval(Seq(3), Seq(5)), Interval(Seq(3))
    assert [seq for seq in range(8) if closed.contains(Seq(seq))] == [3, 4, 5]
    assert [seq for seq in range(8) if lasting.contains(Seq(seq))] == [3, 4, 5, 6, 7]


def test_errors_keep_what_a_caller_needs() -> None:
    assert CursorLostError("diverged", ORIGIN).code == "cursor_diverged"
    assert PreconditionError("Stale.", version=3).version == 3
    overloaded = UnavailableError("Full.", code="overloaded")
    assert (overloaded.code, overloaded.retry_after_ms) == ("overloaded", 1000)
