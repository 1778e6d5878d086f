"""Whoever is told that the service listens may also tell it to stop."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.server import COMMAND, clean_environ

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_right_after_the_start_stops_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    arguments = ["serve", "--dev", "--port", "0", "--data-dir", str(tmp_path)]
    with subprocess.Popen(
        [COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=clean_environ()
    ) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if "listening" in line)
        process.send_signal(number)
        assert process.wait(5) == 0
        assert "stopped" in process.stderr.read()
