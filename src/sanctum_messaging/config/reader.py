"""Reads variable after variable and remembers what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sanctum_messaging.config.faults import Fault
from sanctum_messaging.config.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sanctum_messaging.config.variable import Variable

T = TypeVar("T")


class Reader:
    """Reads variable after variable and remembers what is wrong."""

    def __init__(self, given: dict[str, str]) -> None:
        self.given = given
        self.faults: list[Fault] = []

    def read_files(self, paths: Mapping[str, str]) -> None:
        """Take the secrets that stand in files."""
        for variable in VARIABLES:
            if not variable.secret or variable.name not in paths:
                continue
            name = f"{variable.name}_FILE"
            if variable.name in self.given:
                self.faults.append(Fault(name, f"can't be set together with {variable.name}"))
                continue
            try:
                self.given[variable.name] = Path(paths[variable.name]).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError):
                self.faults.append(Fault(name, "the file can't be read"))

    def read(self, variable: Variable[T]) -> T:
        text = self.given.get(variable.name)
        if text is None:
            return variable.default
        try:
            return variable.parse(text)
        except ValueError as error:
            self.faults.append(Fault(variable.name, str(error)))
            return variable.default
