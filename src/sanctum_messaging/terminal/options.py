"""What commands have in common: options, and how they say that they can't do their work."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., None]")

DEFAULT_URL = "http://127.0.0.1:8080"


class StartError(click.ClickException):
    """The command can't do its work; each line of the message says why."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        for line in self.message.splitlines():
            click.echo(f"sanctum: {line}", file=file, err=file is None)


def data_dir_option(command: Command) -> Command:
    return click.option("--data-dir", metavar="PATH", help="Directory of all that is stored [DATA_DIR].")(command)


def login_options(command: Command) -> Command:
    """Add what says which service, and who calls."""
    command = data_dir_option(command)
    command = click.option("--user", help="Whom to be at a service started with --dev; needs its data directory.")(
        command
    )
    command = click.option("--token", envvar="SANCTUM_TOKEN", help="An access token [SANCTUM_TOKEN].")(command)
    text = "The service [SANCTUM_URL]."
    return click.option("--url", envvar="SANCTUM_URL", default=DEFAULT_URL, show_default=True, help=text)(command)
