"""What benchmarks report: figures, each next to the baseline of the same run and to what is required of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_HEAD = ("figure", "value", "unit", "baseline", "ratio", "required", "met")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number. What is required of a ratio is required of value / baseline, the rest of the value itself."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    against: str = ""
    at_most: float | None = None
    at_least: float | None = None
    at_least_ratio: float | None = None
    at_most_ratio: float | None = None

    @property
    def ratio(self) -> float | None:
        """How the value compares with the baseline."""
        return self.value / self.baseline if self.baseline else None

    @property
    def required(self) -> str:
        """What is required, in words."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        if self.at_most_ratio is not None:
            return f"ratio ≤ {self.at_most_ratio:g}"
        return "" if self.at_least_ratio is None else f"ratio ≥ {self.at_least_ratio:g}"

    @property
    def met(self) -> bool | None:
        """Whether it is met; none if nothing is required."""
        if self.at_most is not None:
            return self.value <= self.at_most
        if self.at_least is not None:
            return self.value >= self.at_least
        if self.ratio is None:
            return None
        if self.at_most_ratio is not None:
            return self.ratio <= self.at_most_ratio
        return None if self.at_least_ratio is None else self.ratio >= self.at_least_ratio


def pick_median(figures: Sequence[Figure]) -> Figure:
    """Pick the middle one of the same figure from several runs, by its ratio where there is one."""
    ordered = sorted(figures, key=lambda each: each.value if each.ratio is None else each.ratio)
    return ordered[len(ordered) // 2]


def render_table(figures: Iterable[Figure]) -> str:
    """Write figures as a table with aligned columns, and below it what each baseline is."""
    figures = list(figures)
    baselines = list(dict.fromkeys(figure.against for figure in figures if figure.against))
    notes = {against: f"[{number}]" for number, against in enumerate(baselines, 1)}
    rows = [_HEAD, *(_row(figure, notes.get(figure.against, "")) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(map(_aligned, row, widths, range(len(_HEAD)))).rstrip() for row in rows]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join([*lines, "", *(f"{note} {against}" for against, note in notes.items())]).rstrip()


def _row(figure: Figure, note: str) -> tuple[str, ...]:
    met = {True: "yes", False: "NO", None: ""}[figure.met]
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    baseline = "" if figure.baseline is None else f"{_number(figure.baseline)} {note}".rstrip()
    return (figure.name, _number(figure.value), figure.unit, baseline, ratio, figure.required, met)


def _aligned(cell: str, width: int, column: int) -> str:
    is_text = _HEAD[column] in {"figure", "unit", "required", "met"}
    return cell.ljust(width) if is_text else cell.rjust(width)


def _number(value: float) -> str:
    """Write three significant digits, and large numbers whole."""
    magnitude = abs(value)
    for limit, digits in ((100, 0), (10, 1), (1, 2)):
        if magnitude >= limit:
            return f"{value:,.{digits}f}"
    return f"{value:.4f}"
