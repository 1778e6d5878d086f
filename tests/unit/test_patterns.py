"""Regular expressions that take a client's text, on texts made to make them search for ever."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import sanctum_messaging

LENGTH = 200_000
"""What takes a step per character is done at once; what takes their square is not done within the tests' time limit."""


def patterns() -> dict[str, re.Pattern[str] | re.Pattern[bytes]]:
    """Find every compiled pattern of the package, by where it stands."""
    found = {}
    for module in pkgutil.walk_packages(sanctum_messaging.__path__, "sanctum_messaging."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, re.Pattern):
                found[f"{module.name}.{name}"] = value
    return found


PATTERNS = patterns()


def test_s_d9_patterns_are_found() -> None:
    assert len(PATTERNS) > 5


@pytest.mark.parametrize("name", PATTERNS)
def test_s_d9_time_grows_with_the_text_alone(name: str) -> None:
    pattern = PATTERNS[name]
    for unit in ("a", "1", " ", "\t", "-", ".", "a.", "a=", '"', 'W/"v1", ', "[", "::", "%00", ",", "\\"):
        for end in ("", "!", "\n", '"'):
            text = unit * (LENGTH // len(unit)) + end
            if isinstance(pattern.pattern, bytes):
                re.compile(pattern).fullmatch(text.encode())
            else:
                re.compile(pattern).fullmatch(text)
