"""The servers as fixtures: started when the first test asks, shared by all, and empty for each.

A machine without them leaves these tests out and says so at the end; where ``CI`` is set, they fail instead.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NoReturn, TypeVar

import pytest

from tests.servers.postgres import PostgresServer, open_postgres
from tests.servers.server import NoServerError
from tests.servers.valkey import ValkeyServer, open_valkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
T = TypeVar("T")

_left_out: set[str] = set()
"""Why tests were left out, for the last lines of the run."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Start the server that all tests share. Who kills or pauses it need not bring it back."""
    with _required(open_postgres()) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """Create an empty database for this test alone."""
    postgres_server.revive()
    name = postgres_server.create_database()
    yield postgres_server.url_of(name)
    postgres_server.revive()
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    """Start the server that all tests share. Who kills or pauses it need not bring it back."""
    with _required(open_valkey()) as server:
        yield server


@pytest.fixture
def valkey_url(valkey_server: ValkeyServer) -> str:
    """Empty the server for this test."""
    valkey_server.revive()
    valkey_server.empty()
    return valkey_server.url


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what is unproven, so that nobody takes a green run for more than it is."""
    for reason in sorted(_left_out):
        terminalreporter.write_line(f"TESTS LEFT OUT: {reason}", yellow=True, bold=True)


@contextlib.contextmanager
def _required(opening: AbstractContextManager[T]) -> Iterator[T]:
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(opening)
        except NoServerError as missing:
            leave_out(str(missing))
        yield server


def leave_out(reason: str) -> NoReturn:
    """Skip the test that lacks something; fail it where ``CI`` promises that everything is there."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    _left_out.add(reason)
    pytest.skip(reason)
