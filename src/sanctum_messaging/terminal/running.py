"""Runs a client as a command: until it is done, told to stop, or refused for good."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec

from sanctum_messaging.client import SanctumError, State
from sanctum_messaging.terminal.options import StartError

if TYPE_CHECKING:
    from collections.abc import Coroutine


_EXPECTED = (SanctumError, OSError, msgspec.DecodeError)
"""What the service refuses, what the disk does, and a file that holds something else than what is kept there."""


def run_client(main: Coroutine[Any, Any, None]) -> None:
    """Run it. SIGINT and SIGTERM end it as they end other commands, after it has said goodbye.

    Raises:
        StartError: the service or the machine does not let it.
        BrokenPipeError: nobody reads what it says.
    """
    told: list[signal.Signals] = []
    try:
        asyncio.run(_until_told(main, told))
    except asyncio.CancelledError:
        sys.exit(128 + told[0])
    except BrokenPipeError:
        raise
    except (*_EXPECTED, BaseExceptionGroup) as error:
        reasons = _reasons_of(error)
        if not all(isinstance(reason, _EXPECTED) for reason in reasons):
            raise
        raise StartError("\n".join(map(_sentence_of, reasons))) from error


class StateLine:
    """Says on standard error when the connection is lost, and when it is there again."""

    def __init__(self) -> None:
        self._is_lost = False

    def __call__(self, state: State) -> None:
        if state is State.WAITING and not self._is_lost:
            self._is_lost = True
            click.echo("sanctum: no connection; trying again", err=True)
        elif state is State.LIVE and self._is_lost:
            self._is_lost = False
            click.echo("sanctum: connected again", err=True)


def _reasons_of(error: BaseException) -> list[BaseException]:
    """Unwrap what ended several tasks at once."""
    if isinstance(error, BaseExceptionGroup):
        return [reason for each in error.exceptions for reason in _reasons_of(each)]
    return [error]


def _sentence_of(reason: BaseException) -> str:
    if isinstance(reason, msgspec.DecodeError):
        return f"What was kept from the last time can't be read: {reason}"
    return str(reason)


async def _until_told(main: Coroutine[Any, Any, None], told: list[signal.Signals]) -> None:
    running = asyncio.ensure_future(main)

    def stop(number: signal.Signals) -> None:
        told.append(number)
        running.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    await running
