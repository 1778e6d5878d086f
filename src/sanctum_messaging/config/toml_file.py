"""The file of settings that ``SANCTUM_CONFIG`` names: TOML, with the variables in lower case."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, TypeVar

from sanctum_messaging.config.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping
    from pathlib import Path

    from sanctum_messaging.config.variable import Variable

T = TypeVar("T")

ISSUERS = "issuers"
"""The one key that is no variable: an array of tables."""

_PLACE = re.compile(r"\(at (line \d+, column \d+|end of document)\)$")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


def in_file(key: str, meaning: str) -> Fault:
    """Name a fault by its place in the file."""
    return Fault("SANCTUM_CONFIG", f"{key}: {meaning}")


def read_table(path: Path) -> dict[str, object]:
    """Read the file.

    Raises:
        ValueError: it can't be read, or is not TOML; the sentence repeats nothing of it.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        raise ValueError(f"is not TOML{f' ({place[1]})' if place else ''}") from None
    except UnicodeDecodeError:
        raise ValueError("is not TOML, which is UTF-8") from None
    except OSError as error:
        raise ValueError(f"the file can't be read ({error.strerror})") from None


def find_unknown_keys(table: Mapping[str, object], known: Container[str], prefix: str = "") -> Iterator[Fault]:
    """Find what is no setting; a key that could be anything else, such as a value in the wrong place, is not shown."""
    for key in table:
        if key not in known:
            yield in_file(prefix + (key if _BARE_KEY.fullmatch(key) else "a key"), "is not a setting")


def write_text(variable: Variable[T], value: object) -> str:
    """Write a value of the file as it would stand in the environment.

    Raises:
        ValueError: it is of another type than the variable.
    """
    match variable.type, value:
        case "switch", bool():
            return "on" if value else "off"
        case "number", int() if not isinstance(value, bool):
            return str(value)
        case "list", list() if all(isinstance(each, str) and "," not in each for each in value):
            # Where a list is not empty without being set, this is how it is emptied.
            return ",".join(value) or ("none" if variable.default else "")
        case kind, str() if kind not in _KINDS:
            return value
    raise ValueError(f"must be {_KINDS.get(variable.type, 'a text in quotes')}")


_KINDS = {
    "switch": "true or false",
    "number": "a whole number without quotes",
    "list": "an array of texts, each without a comma",
}
