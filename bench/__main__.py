"""Runs the benchmarks, each in a process of its own, and prints one table."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from bench.figures import Figure, pick_median, render_table

BENCHMARKS = (
    *("store", "http", "protocol", "sockets", "fanout", "listing", "catchup", "storm", "memory", "guards"),
    *("deliveries", "promptness", "bursts", "lone", "stuck", "idle", "opening", "wide", "economy"),
    *("postgres", "postgres_reads", "plan_trap", "latency", "tailing", "sweep", "limiter"),
)
_PROCESSES = {"guards": 5}
"""Of a difference of microseconds between two services, each process has its luck with caches: the median counts."""
_LONGEST_SECONDS = 300
"""A benchmark that takes longer hangs; all together take less than 20 minutes, and less than 10 with ``--quick``."""


def main() -> int:
    """Run what was asked for; return 1 if a requirement was missed."""
    options = _parse()
    figures: dict[str, list[Figure]] = {}
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sanctum-bench-") as folder:
        for name in options.names or BENCHMARKS:
            print(f"{name} …", end=" ", file=sys.stderr, flush=True)
            before = time.monotonic()
            figures[name] = _run(name, Path(folder), quick=options.quick)
            print(f"{time.monotonic() - before:.0f} s", file=sys.stderr)
    every = [figure for each in figures.values() for figure in each]
    print(f"\n{render_table(every)}\n\n{_machine()}; {time.monotonic() - begun:.0f} s in all.")
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode({"machine": _machine(), "figures": figures})))
    missed = [figure.name for figure in every if figure.met is False]
    if missed:
        print(f"Missed: {', '.join(missed)}.")
    return 1 if missed else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a look, not a measurement")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


def _run(name: str, folder: Path, *, quick: bool) -> list[Figure]:
    runs = [_run_once(name, each, quick=quick) for each in _find_folders(name, folder)]
    return [pick_median(each) for each in zip(*runs, strict=True)]


def _find_folders(name: str, folder: Path) -> list[Path]:
    """List a folder for each process; the others share theirs, with what is costly to make."""
    return [folder / f"{name}-{number}" for number in range(_PROCESSES[name])] if name in _PROCESSES else [folder]


def _run_once(name: str, folder: Path, *, quick: bool) -> list[Figure]:
    folder.mkdir(exist_ok=True)
    extent = "quick" if quick else "full"
    command = [sys.executable, "-m", "bench.isolated", name, str(folder), extent]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=_LONGEST_SECONDS)
    return msgspec.json.decode(done.stdout, type=list[Figure])


def _machine() -> str:
    names = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in names if line.startswith("model name")]
    model = models[0] if models else "of unknown make"
    load = os.getloadavg()[1]
    return f"{len(models)} cores {model}, Python {sys.version.split()[0]}, load average of 5 minutes {load:.1f}"


if __name__ == "__main__":
    sys.exit(main())
