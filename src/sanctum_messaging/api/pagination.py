"""Page cursors: opaque to the client, and checked for form when they come back.

A cursor only says where a list goes on, and every page checks anew who may read it. So whatever has the form is taken;
the form is the pattern in the OpenAPI document.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from sanctum_messaging.domain.errors import InvalidCursorError
from sanctum_messaging.domain.model import Position, UserId
from sanctum_messaging.protocol.scalars import POSITION_CURSOR_PATTERN, USER_CURSOR_PATTERN

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

_POSITION_CURSOR = re.compile(POSITION_CURSOR_PATTERN)
_USER_CURSOR = re.compile(USER_CURSOR_PATTERN)


def cut_page(items: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    """Cut what was read with one item more than asked for, and tell whether there was one more."""
    return items[:limit], len(items) > limit


def write_position_cursor(position: Position) -> str:
    """Write the cursor of a list that is ordered by position."""
    return f"p{position:x}"


def read_position_cursor(cursor: str) -> Position:
    """Read it.

    Raises:
        InvalidCursorError: it was never given out.
    """
    if _POSITION_CURSOR.search(cursor) is None:
        raise InvalidCursorError
    return Position(int(cursor[1:], 16))


def write_user_cursor(user_id: UserId) -> str:
    """Write the cursor of a list that is ordered by user id."""
    return f"u{user_id.encode().hex()}"


def read_user_cursor(cursor: str) -> UserId:
    """Read it.

    Raises:
        InvalidCursorError: it was never given out.
    """
    if _USER_CURSOR.search(cursor) is None:
        raise InvalidCursorError
    return UserId(bytes.fromhex(cursor[1:]).decode("utf-8", "replace"))
