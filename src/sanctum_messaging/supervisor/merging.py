"""One text out of the metrics of several processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(slots=True)
class _Family:
    """The lines of one metric: what it means, once, and the samples of all workers."""

    about: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)


def merge_metrics(texts: Mapping[int, bytes]) -> bytes:
    """Put the workers' texts together, with a label ``worker`` on each sample and each metric described once.

    The texts are those of :mod:`sanctum_messaging.observability.metrics`, where ``# HELP`` begins each metric.
    """
    families: dict[str, _Family] = {}
    for worker, text in texts.items():
        described = set(families)
        family = _Family()
        for line in text.decode().split("\n"):
            if line.startswith("# HELP "):
                family = families.setdefault(line.split(" ", 3)[2], _Family())
            if line and not line.startswith("#"):
                family.samples.append(_labelled(line, worker))
            elif line and line.split(" ", 3)[2] not in described:
                family.about.append(line)
    return "".join(f"{line}\n" for family in families.values() for line in _lines(family)).encode()


def _lines(family: _Family) -> Iterator[str]:
    yield from family.about
    yield from family.samples


def _labelled(sample: str, worker: int) -> str:
    """Name the worker in front of the other labels; a brace before the first space opens them."""
    name, _, rest = sample.partition(" ")
    if "{" not in name:
        return f'{name}{{worker="{worker}"}} {rest}'
    name, _, labels = sample.partition("{")
    return f'{name}{{worker="{worker}",{labels}'
