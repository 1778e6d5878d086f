from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import structlog

from sanctum_messaging.observability.escaping import MAX_VALUE_CHARACTERS
from sanctum_messaging.observability.hot_events import find_write_event
from sanctum_messaging.observability.logging import configure_logging

if TYPE_CHECKING:
    import io


def test_a_hot_event_reads_like_any_other(stream: io.StringIO) -> None:
    configure_logging("info", human=False, worker=3, stream=stream)

    find_write_event()("request", {"status": 200, "user": "ann", "session": None, "took": 1.5})
    structlog.get_logger().info("request", status=200, user="ann", took=1.5)

    hot, usual = map(json.loads, stream.getvalue().splitlines())
    assert len(hot.pop("timestamp")) == len(usual.pop("timestamp"))
    assert hot == usual == {"event": "request", "level": "info", "worker": 3, "status": 200, "user": "ann", "took": 1.5}


@pytest.mark.parametrize("human", [True, False])
@pytest.mark.parametrize(
    "hostile",
    [
        "a\r\nb",
        "\x1b[2J",
        "a\u2028b",
        "a\u2029b",
        "a\x85b",
        "\u202etxt",
        "\ud800",
        "\0",
        '"}\n{"level":"error"',
        "\x9b31m",
    ],
)
def test_s_d14_no_value_can_look_like_another_line(stream: io.StringIO, hostile: str, human: bool) -> None:  # noqa: FBT001
    configure_logging("info", human=human, stream=stream)

    find_write_event()("request", {"user": hostile})

    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    assert stream.getvalue() == f"{line}\n"


def test_s_d14_long_values_are_cut(stream: io.StringIO) -> None:
    configure_logging("info", human=False, stream=stream)

    find_write_event()("request", {"user": "\x1b" * 10_000})

    assert json.loads(stream.getvalue())["user"] == r"\x1b" * MAX_VALUE_CHARACTERS


@pytest.mark.parametrize("human", [True, False])
def test_below_the_level_nothing_is_written(stream: io.StringIO, human: bool) -> None:  # noqa: FBT001
    configure_logging("warning", human=human, stream=stream)

    find_write_event()("request", {})

    assert stream.getvalue() == ""
