"""Fuzzes one target in this process, which does not come back: ``python -m tests.fuzz.one TARGET SECONDS FOLDER``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import atheris
import structlog

# Only what is imported under this is watched, and only ours is worth it.
with atheris.instrument_imports(include=["sanctum_messaging"]):
    from tests.fuzz.targets import TARGETS

MAX_BYTES = 4_096
"""Longer inputs find no more and slow everything down; sizes have tests of their own."""
MAX_MEGABYTES = 1_024


def fuzz(name: str, seconds: str, folder: Path) -> None:
    """Feed the target until the time is over, or to the first input that breaks something."""
    target, corpus = TARGETS[name], folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = {
        "max_total_time": seconds,
        "max_len": MAX_BYTES,
        "rss_limit_mb": MAX_MEGABYTES,
        "artifact_prefix": f"{folder}/",
    }
    # Thousands of lines a second about refused tokens.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    arguments = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
