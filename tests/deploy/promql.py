"""As much of PromQL as it takes to see what an expression names: this is no parser, and it accepts nonsense too."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

FUNCTIONS = frozenset(
    {"absent", "count", "histogram_quantile", "increase", "max", "min", "rate", "scalar", "sum", "topk"},
)
"""Those that our expressions use; Prometheus knows them all."""
GROUPING = frozenset({"by", "on", "without"})
WORDS = GROUPING | {"and", "group_left", "group_right", "or", "unless"}
_TOKEN = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>\d+(?:\.\d+)?(?:e\d+)?)|(?P<range>\[(?:\d+[smhd]|\$__rate_interval)\])'
    r"|(?P<offset>offset \d+[smhd])|(?P<name>[A-Za-z_:][\w:]*)|(?P<operator>[=!]~|[=!<>]=|[-+*/<>=(){},])"
    r"|(?P<space>\s+)"
)
_PAIRS = {")": "(", "}": "{"}


@dataclass
class Named:
    """What an expression names: metrics with the labels that it looks at, and the labels by which it adds up."""

    metrics: dict[str, set[str]] = field(default_factory=dict)
    by: set[str] = field(default_factory=set)


def names_of(expression: str) -> Named:
    """Find what an expression names.

    Raises:
        ValueError: it is not balanced, or holds what is no part of PromQL, or a function that nobody knows.
    """
    tokens = _tokens(expression)
    _check_balanced([text for _, text in tokens], expression)
    named, metric, matching, grouping = Named(), "", False, False
    for (kind, text), (_, following) in zip(tokens, [*tokens[1:], ("", "")], strict=True):
        matching = text == "{" or (matching and text != "}")
        grouping = text in GROUPING or (grouping and text != ")")
        if kind != "name" or text in WORDS:
            continue
        if matching:
            named.metrics[metric].add(text)
        elif grouping:
            named.by.add(text)
        elif following in {"(", "by"}:
            _check_function(text)
        else:
            metric = text
            named.metrics.setdefault(text, set())
    return named


def _check_balanced(texts: list[str], expression: str) -> None:
    opened = [""]
    for text in texts:
        if text in {"(", "{"}:
            opened.append(text)
        elif text in _PAIRS and opened.pop() != _PAIRS[text]:
            raise ValueError(f"not balanced: {expression}")
    if opened != [""]:
        raise ValueError(f"not balanced: {expression}")


def _check_function(name: str) -> None:
    if name not in FUNCTIONS:
        raise ValueError(f"unknown function: {name}")


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None or match.lastgroup is None:
            raise ValueError(f"no PromQL: {expression[at:]}")
        at = match.end()
        if match.lastgroup != "space":
            tokens.append((match.lastgroup, match[0]))
    return tokens
