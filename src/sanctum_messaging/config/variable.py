"""One variable of the environment: what it means, how it is read and what it is without being set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Variable(Generic[T_co]):
    """One variable of the environment.

    ``parse`` raises ValueError with a sentence for the operator, which never repeats the value: it may be secret.
    ``default_text`` describes a default that depends on other variables.
    """

    name: str
    type: str
    default: T_co
    meaning: str
    parse: Callable[[str], T_co] = field(repr=False)
    unit: str = ""
    range: str = ""
    default_text: str = ""
    secret: bool = False
    """Whether it may be kept in a file that the variable of the same name and ``_FILE`` names."""
