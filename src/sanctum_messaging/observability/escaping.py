"""What clients send, made fit for a line of the log."""

from __future__ import annotations

import re

MAX_VALUE_CHARACTERS = 1_000
"""Enough for a path or a reason; a line stays below what log collectors cut at (8-16 KiB)."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Also what ends a line or turns its direction in Unicode: a line must not be able to look like two."""


def escape(value: str) -> str:
    """Escape control characters in a text and cut it if it is too long."""
    if len(value) <= MAX_VALUE_CHARACTERS and value.isprintable():
        return value  # None of what is escaped is printable, and hardly ever is there anything.
    return _CONTROLS.sub(_escaped, value[:MAX_VALUE_CHARACTERS])


def _escaped(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode("ascii")
