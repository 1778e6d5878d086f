"""The tables of docs/authorization.md, read as what they are for a test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "authorization.md"
CALLERS = (
    "anonymous",
    "outsider",
    "other tenant",
    "removed",
    "observer",
    "member",
    "admin",
    "owner",
    "service",
    "service alone",
)
NOBODY = "-"
"""The cell of a caller whom there can't be."""


@dataclass(frozen=True, slots=True)
class Row:
    """One call or frame on one object, and what each caller gets."""

    call: str
    on: str
    cells: dict[str, str]
    """By caller; without those whom there can't be."""

    @property
    def key(self) -> tuple[str, str]:
        return self.call, self.on

    def __str__(self) -> str:
        return f"{self.call}, {self.on}"


def read_rows(heading: str) -> list[Row]:
    """Read the table whose first column has this heading."""
    rows = [_cells_of(line) for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]
    start = next(index for index, cells in enumerate(rows) if cells == [heading, "on", *CALLERS])
    found = []
    for call, on, *cells in rows[start + 2 :]:
        if not call.startswith("`"):
            break
        named = dict(zip(CALLERS, cells, strict=True))
        found.append(Row(call.strip("`"), on, {name: cell for name, cell in named.items() if cell != NOBODY}))
    return found


def _cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
