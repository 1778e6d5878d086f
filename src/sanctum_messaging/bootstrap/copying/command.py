"""The command ``sanctum copy``: what it tells its user, and how it ends."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import click

from sanctum_messaging.adapters.postgres.copy_target import CopyFailedError, open_target
from sanctum_messaging.adapters.postgres.database import DatabaseRefusedError
from sanctum_messaging.adapters.sql.migrations import MigrationError
from sanctum_messaging.adapters.sql.tables import TABLES
from sanctum_messaging.adapters.sqlite.copy_source import (
    CopySource,
    SourceDamagedError,
    SourceRefusedError,
    open_source,
)
from sanctum_messaging.bootstrap.copying.progress import Progress
from sanctum_messaging.bootstrap.copying.transfer import transfer
from sanctum_messaging.bootstrap.copying.verification import DifferenceError
from sanctum_messaging.config import ConfigError, Fault

if TYPE_CHECKING:
    from pathlib import Path

    from sanctum_messaging.bootstrap.copying.transfer import Transferred

FAILED = 1
INTERRUPTED = 130
"""What a shell says of a command that Ctrl-C ended."""
_GO_ON = "run the same command to go on"
_WIDEST = max(len(table.name) for table in TABLES)


def run(path: Path, url: str) -> int:
    """Copy a file into a database; return the exit code.

    Raises:
        ConfigError: one of the two can't be used like this; nothing was copied.
    """
    try:
        with open_source(path) as source:
            transferred = asyncio.run(_transfer(source, url))
    except SourceRefusedError as error:
        raise ConfigError(Fault("--from", str(error))) from error
    except (DatabaseRefusedError, MigrationError) as error:
        raise ConfigError(Fault("--to", str(error))) from error
    except SourceDamagedError as error:
        return _end(str(error))
    except CopyFailedError as error:
        return _end(f"{error}; {_GO_ON}")
    except DifferenceError as error:
        return _end(f"{error}; the copy is not the original and is not served: begin again with an empty database")
    except KeyboardInterrupt:
        return _end(f"interrupted; {_GO_ON}", INTERRUPTED)
    _summarise(transferred)
    return 0


async def _transfer(source: CopySource, url: str) -> Transferred:
    async with open_target(url) as target:
        rows = sum(source.count_rows(table) for table in TABLES)
        return await transfer(source, target, Progress(sys.stderr, rows, time.monotonic))


def _end(reason: str, code: int = FAILED) -> int:
    click.echo(f"sanctum: {reason}", err=True)
    return code


def _summarise(transferred: Transferred) -> None:
    click.echo("Copied, and verified by reading both again:")
    for name, (rows, checksum) in transferred.tables.items():
        click.echo(f"  {name:<{_WIDEST}} {rows:>13,} rows  sha256 {checksum[:16]}")
    click.echo(f"The log ends at {transferred.head} in both.")
    click.echo("Next: set DATABASE_URL to the new address and start the service.")
    click.echo("The file was not changed. Keep it as a backup, and never serve it again: it is the same log.")
