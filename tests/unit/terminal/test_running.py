from __future__ import annotations

import msgspec
import pytest

from sanctum_messaging.client import ConnectionEnded
from sanctum_messaging.terminal.options import StartError
from sanctum_messaging.terminal.running import run_client


async def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionEnded(4504), "^4504: "),
        (OSError(30, "Read-only file system", "place"), "Read-only file system: 'place'$"),
        (ExceptionGroup("", [OSError("full"), ExceptionGroup("", [OSError("broken")])]), "^full\nbroken$"),
        (msgspec.DecodeError("Input data was truncated"), "can't be read: Input data was truncated$"),
    ],
)
def test_what_does_not_let_it_is_said_in_lines(error: Exception, said: str) -> None:
    with pytest.raises(StartError, match=said):
        run_client(fail(error))


@pytest.mark.parametrize("error", [BrokenPipeError(), KeyError("bug"), ExceptionGroup("", [KeyError("bug")])])
def test_what_nobody_expects_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        run_client(fail(error))
    assert raised.value is error
