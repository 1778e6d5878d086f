"""The command ``sanctum`` with the log of production also with ``--dev``: JSON, a tenth of the console's cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.cli import main as run
from sanctum_messaging.observability import logging

if TYPE_CHECKING:
    from sanctum_messaging.observability.hot_events import Writable

_configure = logging.configure_logging


def configure_for_production(
    level: str, *, human: bool, worker: int | None = None, stream: Writable | None = None
) -> None:
    """Set up logging as without ``--dev``."""
    del human
    _configure(level, human=False, worker=worker, stream=stream)


def main() -> None:
    # The command imports it when it is told to serve.
    logging.configure_logging = configure_for_production
    run()


if __name__ == "__main__":
    main()
