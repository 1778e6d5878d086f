"""What is wrong with a configuration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one variable; it never repeats the value, which may be secret."""

    variable: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.meaning}"


class ConfigError(Exception):
    """The service can't start like this; ``faults`` holds all that is known to be wrong."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults
