"""Page cursors: opaque to the client, and checked when they come back."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, TypeVar

from sanctum_messaging.domain.errors import InvalidCursorError
from sanctum_messaging.domain.model import Position, UserId

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

_POSITION = "p"
_USER = "u"
_MAX_DIGITS = 18
"""As many digits as fit below 2**63 whatever they are."""


def cut_page(items: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    """Cut what was read with one item more than asked for, and tell whether there was one more."""
    return items[:limit], len(items) > limit


def write_position_cursor(position: Position) -> str:
    """Write the cursor of a list that is ordered by position."""
    return _write(f"{_POSITION}{position}")


def read_position_cursor(cursor: str) -> Position:
    """Read it.

    Raises:
        InvalidCursorError: it was never given out.
    """
    digits = _read(cursor, _POSITION)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_DIGITS and str(int(digits)) == digits):
        raise InvalidCursorError
    return Position(int(digits))


def write_user_cursor(user_id: UserId) -> str:
    """Write the cursor of a list that is ordered by user id."""
    return _write(f"{_USER}{user_id}")


def read_user_cursor(cursor: str) -> UserId:
    """Read it.

    Raises:
        InvalidCursorError: it was never given out.
    """
    return UserId(_read(cursor, _USER))


def _write(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, kind: str) -> str:
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        raise InvalidCursorError from None
    # The decoder skips what is not in its alphabet; only what is written back the same was given out.
    if not text.startswith(kind) or text == kind or _write(text) != cursor:
        raise InvalidCursorError
    return text[len(kind) :]
