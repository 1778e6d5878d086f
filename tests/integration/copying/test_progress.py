"""What those who wait get to see."""

from __future__ import annotations

import io

import pytest

from sanctum_messaging.bootstrap.copying.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_changes_one_line_of_a_terminal() -> None:
    seconds, out = iter(range(100)), Terminal()
    progress = Progress(out, 2_000, lambda: float(next(seconds)))
    with progress.phase("copying", done=500):
        progress.advance(1_500)

    lines = out.getvalue().split("\r")
    assert [line.strip() for line in lines[1:3]] == [
        "copying  25 %  500 of 2,000 rows",
        "copying 100 %  2,000 of 2,000 rows, 500 rows/s",
    ]
    assert out.getvalue().count("\n") == 1


def test_what_is_said_after_a_failure_begins_a_line() -> None:
    out = Terminal()
    progress = Progress(out, 10, lambda: 0.0)
    with pytest.raises(KeyError), progress.phase("copying"):
        raise KeyError

    assert out.getvalue().endswith("\n")


def test_progress_is_a_line_now_and_then_elsewhere() -> None:
    now, out = [0.0], io.StringIO()
    progress = Progress(out, 100, lambda: now[0])
    with progress.phase("verifying"):
        for _ in range(100):
            now[0] += 0.125
            progress.advance(1)

    assert [line.split(",")[0] for line in out.getvalue().splitlines()] == [
        "verifying   0 %  0 of 100 rows",
        "verifying  40 %  40 of 100 rows",
        "verifying  80 %  80 of 100 rows",
        "verifying 100 %  100 of 100 rows",
    ]


def test_an_installation_without_rows_is_done_at_once() -> None:
    out = io.StringIO()
    with Progress(out, 0, lambda: 0.0).phase("copying"):
        pass

    assert out.getvalue().splitlines()[-1] == "copying 100 %  0 of 0 rows"
