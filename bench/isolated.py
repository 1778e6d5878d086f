"""Runs one benchmark in this process and prints its figures as JSON: ``python -m bench.isolated NAME FOLDER full``."""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path

import msgspec
import uvloop

from bench.figures import Figure
from bench.measuring import Run
from sanctum_messaging.observability.logging import configure_logging


def main() -> None:
    name, folder, extent = sys.argv[1:]
    configure_logging("warning", human=True)
    benchmark = importlib.import_module(f"bench.{name}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures: list[Figure] = runner.run(benchmark.measure(Run(Path(folder), quick=extent == "quick")))
    sys.stdout.write(msgspec.json.encode(figures).decode())


if __name__ == "__main__":
    main()
