"""Reads variable after variable and remembers what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sanctum_messaging.config.faults import Fault
from sanctum_messaging.config.toml_file import in_file, write_text
from sanctum_messaging.config.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from sanctum_messaging.config.variable import Variable

    Blame = Callable[[str, str], Fault]
    """Names the fault of a variable by the place where it stands."""

T = TypeVar("T")


class Reader:
    """The variables that are wanted: take the weakest source first, then read each."""

    def __init__(self, names: Collection[str]) -> None:
        self.given: dict[str, str] = {}
        """What is set, right or wrong."""
        self.malformed: set[str] = set()
        self.faults: list[Fault] = []
        self._wanted = [variable for variable in VARIABLES if variable.name in names]
        self._blames: dict[str, Blame] = {}

    def take_table(self, table: Mapping[str, object]) -> None:
        """Take what a file says, in which the names are in lower case."""
        texts: dict[str, str] = {}
        for variable in self._wanted:
            if (value := table.get(variable.name.lower())) is None:
                continue
            try:
                texts[variable.name] = write_text(variable, value)
            except ValueError as error:
                self.refuse(variable.name, _in_table(variable.name, str(error)))
        self._take(texts, _in_table)

    def take_environ(self, environ: Mapping[str, str]) -> None:
        """Take what the environment says, and secrets from the files that it names."""
        texts = {name: environ.get(name, "") for name in (variable.name for variable in self._wanted)}
        for name in (variable.name for variable in self._wanted if variable.secret):
            if path := environ.get(f"{name}_FILE", "").strip():
                texts[name] = self._read_secret(name, path, texts[name])
        self._take(texts, Fault)

    def read(self, variable: Variable[T]) -> T:
        text = self.given.get(variable.name)
        if text is None or variable.name in self.malformed:
            return variable.default
        try:
            return variable.parse(text)
        except ValueError as error:
            self.refuse(variable.name, self._blames[variable.name](variable.name, str(error)))
            return variable.default

    def refuse(self, name: str, fault: Fault) -> None:
        """Remember what is wrong with a variable, which was given and is not read any more."""
        self.given.setdefault(name, "")
        self.malformed.add(name)
        self.faults.append(fault)

    def _take(self, texts: Mapping[str, str], blame: Blame) -> None:
        for name, text in texts.items():
            if stripped := text.strip():
                self.given[name], self._blames[name] = stripped, blame

    def _read_secret(self, name: str, path: str, beside: str) -> str:
        if beside.strip():
            self.refuse(name, Fault(f"{name}_FILE", f"can't be set together with {name}"))
            return beside
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            self.refuse(name, Fault(f"{name}_FILE", "the file can't be read"))
            return ""
        if not text.strip():
            # Taken for nothing, it would be another database, or a bus without a secret.
            self.refuse(name, Fault(f"{name}_FILE", "the file is empty"))
        return text


def _in_table(name: str, meaning: str) -> Fault:
    return in_file(name.lower(), meaning)
