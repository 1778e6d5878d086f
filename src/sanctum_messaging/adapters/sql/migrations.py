"""Numbered, checksummed, forward-only migrations: which there are, and which are pending.

Old code runs on a newer schema as long as every newer migration says so in its first line
(``-- runs with: 0001``, the oldest migration whose code goes on working): expand first, contract a version later.

A line ``-- no transaction`` on top (or below that one) is for what PostgreSQL does only outside of a transaction, as
CREATE INDEX CONCURRENTLY. Such a file must be able to run again from its beginning after it stopped half-way, and each
of its statements ends with a semicolon at the end of a line, where nothing else does.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_RUNS_WITH = re.compile(r"-- runs with: (\d{4})\n")
_NO_TRANSACTION = re.compile(r"(?:-- runs with: \d{4}\n)?-- no transaction\n")


class MigrationError(Exception):
    """The database was made by files other than these."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """A digest of the text, so that an edited file is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def runs_with(self) -> int:
        """The oldest schema number whose code works on the schema that this makes; its own unless it says so."""
        found = _RUNS_WITH.match(self.sql)
        return int(found[1]) if found else self.number

    @property
    def in_transaction(self) -> bool:
        """Whether all of it is one transaction; otherwise each of ``statements`` is one of its own."""
        return _NO_TRANSACTION.match(self.sql) is None

    @property
    def statements(self) -> list[str]:
        """The statements of a file that is no transaction."""
        return [part for part in self.sql.split(";\n") if part.strip()]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a database knows of a migration that it went through."""

    number: int
    checksum: str
    runs_with: int


def load_migrations(package: str) -> list[Migration]:
    """Read the files of a package's folder ``migrations``, in order."""
    folder = files(package).joinpath("migrations")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".sql"))
    return [Migration(int(name[:4]), name, folder.joinpath(name).read_text("utf-8")) for name in names]


def find_pending(migrations: Sequence[Migration], applied: Sequence[Applied]) -> list[Migration]:
    """Find what was not applied yet.

    Raises:
        MigrationError: an applied file has another text now, or the database is too new for this program.
    """
    known = {each.number: each for each in applied}
    for migration in migrations:
        if migration.number in known and known[migration.number].checksum != migration.checksum:
            message = f"migration {migration.name} was edited after it had been applied"
            raise MigrationError(message)
    newest = max((migration.number for migration in migrations), default=0)
    for each in applied:
        if each.number > newest and each.runs_with > newest:
            message = f"the database was made by a newer version (it knows migration {each.number})"
            raise MigrationError(message)
    return [migration for migration in migrations if migration.number not in known]
