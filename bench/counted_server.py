"""The command ``sanctum``, counting how often an event is encoded: its first argument is the file for the count."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sanctum_messaging import presenters
from sanctum_messaging.cli import main as run

if TYPE_CHECKING:
    from sanctum_messaging.domain.events import Event

_encode_event = presenters.encode_event
_count = itertools.count()


def encode_and_count(event: Event) -> bytes:
    """Encode an event."""
    next(_count)
    return _encode_event(event)


def main() -> None:
    counted = Path(sys.argv.pop(1))
    # The hub is imported by the command, so that it takes this one.
    presenters.encode_event = encode_and_count
    try:
        run()
    finally:
        counted.write_text(str(next(_count)), "utf-8")


if __name__ == "__main__":
    main()
