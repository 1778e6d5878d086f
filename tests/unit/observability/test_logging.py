from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
import structlog
import uvloop

from sanctum_messaging.observability.escaping import MAX_VALUE_CHARACTERS
from sanctum_messaging.observability.logging import MAX_FRAMES, configure_logging

if TYPE_CHECKING:
    import io
    from collections.abc import Callable


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_a_line_of_json(stream: io.StringIO) -> None:
    configure_logging("info", human=False, stream=stream)

    structlog.get_logger().info("message_sent", position=7, tenant="acme")

    (line,) = lines(stream)
    assert line.pop("timestamp")
    assert line == {"event": "message_sent", "level": "info", "position": 7, "tenant": "acme"}


def test_events_below_the_level_are_not_written(stream: io.StringIO) -> None:
    configure_logging("warning", human=False, stream=stream)

    structlog.get_logger().info("too_quiet")
    structlog.get_logger().warning("loud")
    logging.getLogger("uvicorn.error").info("too quiet")
    logging.getLogger("uvicorn.error").warning("loud too")

    assert [line["event"] for line in lines(stream)] == ["loud", "loud too"]


def test_each_line_of_a_worker_tells_its_number(stream: io.StringIO) -> None:
    configure_logging("info", human=False, worker=0, stream=stream)

    structlog.get_logger().info("happened")
    structlog.get_logger().info("worker_ended", worker=3)
    thread = threading.Thread(target=lambda: logging.getLogger("library").warning("theirs"))
    thread.start()
    thread.join()

    assert [(line["event"], line["worker"]) for line in lines(stream)] == [
        ("happened", 0),
        ("worker_ended", 3),
        ("theirs", 0),
    ]


def test_debug_is_for_our_own_events_only(stream: io.StringIO) -> None:
    configure_logging("debug", human=False, stream=stream)
    # A server that another test has run in this process leaves its own level behind.
    logging.getLogger("uvicorn.error").setLevel(logging.NOTSET)

    structlog.get_logger().debug("ours")
    for library in ("websockets.server", "httpx2", "httpcore2", "asyncio"):
        logging.getLogger(library).info("a request with its headers")
    logging.getLogger("uvicorn.error").debug("a frame")
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)

    assert [line["event"] for line in lines(stream)] == ["ours", "Started server process [7]"]


def test_queries_are_not_written(stream: io.StringIO) -> None:
    configure_logging("debug", human=False, stream=stream)

    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "a", "GET", "/v1/sync?canary", "1.1", 200)
    for end in ("[accepted]", "403", "%d"):
        values = ("a", "/v1/ws?canary", 500)[: 3 if end == "%d" else 2]
        logging.getLogger("uvicorn.error").info(f'%s - "WebSocket %s" {end}', *values)  # noqa: G004 # As uvicorn does.

    assert stream.getvalue() == ""


def test_what_sends_traces_quotes_no_address_and_no_header(stream: io.StringIO) -> None:
    configure_logging("info", human=False, stream=stream)
    sender = logging.getLogger("opentelemetry.exporter.otlp")

    sender.warning("Transient error %s, retrying in %.2fs.", OSError("Max retries: /?key=canary"), 1.5)
    sender.error("Failed to export %s batch code: %s, reason: %s", "spans", 401, "canary")
    sender.warning("Header format invalid: %s", "Authorization: Bearer canary")

    assert [line["event"] for line in lines(stream)] == [
        "Transient error OSError, retrying in 1.50s.",
        "Failed to export … batch code: 401, reason: …",
        "Header format invalid: …",
    ]


@pytest.mark.parametrize("human", [True, False])
@pytest.mark.parametrize("control", ["\n", "\r", "\x00", "\x1b", "\x7f", "\x9b", "\u2028", "\u202e", "\ud800"])
def test_no_value_can_look_like_another_line(stream: io.StringIO, control: str, human: bool) -> None:  # noqa: FBT001
    configure_logging("info", human=human, stream=stream)

    structlog.get_logger().info("happened", what=f"a{control}b")
    logging.getLogger("uvicorn.error").warning("a%sb", control.replace("\n", "\r"))

    assert len(stream.getvalue().splitlines()) == 2
    assert control not in stream.getvalue().replace("\n", "", 2)


def test_long_values_are_cut(stream: io.StringIO) -> None:
    configure_logging("info", human=False, stream=stream)

    structlog.get_logger().info("happened", what="x" * 100_000)

    assert lines(stream)[0]["what"] == "x" * MAX_VALUE_CHARACTERS


def test_an_exception_is_told_without_its_message(stream: io.StringIO) -> None:
    configure_logging("info", human=False, stream=stream)

    try:
        try:
            raise OSError(28, "No space left on device", "canary.db")
        except OSError as error:
            raise ExceptionGroup("canary", [ValueError("canary")]) from error
    except ExceptionGroup:
        structlog.get_logger().exception("failed")
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\ncanary")

    ours, theirs = lines(stream)
    assert theirs["event"] == "Exception in ASGI application"
    assert ours["exception"] == theirs["exception"]
    assert isinstance(ours["exception"], dict)
    assert ours["exception"]["type"] == "ExceptionGroup"
    assert ours["exception"]["at"][0].startswith(f"{__name__}:")
    assert ours["exception"]["cause"]["system"] == "No space left on device"
    assert [part["type"] for part in ours["exception"]["parts"]] == ["ValueError"]
    assert "canary" not in stream.getvalue()


def test_endless_causes_are_cut(stream: io.StringIO) -> None:
    configure_logging("info", human=False, stream=stream)
    error = ValueError()
    error.__cause__ = error

    structlog.get_logger().error("failed", exc_info=error)

    assert stream.getvalue().count('"cause"') == 5


def test_where_something_calls_itself_the_line_stays_short(stream: io.StringIO) -> None:
    configure_logging("info", human=False, stream=stream)

    def call(times: int) -> None:
        if times == 0:
            raise ValueError
        call(times - 1)

    try:
        call(500)
    except ValueError:
        structlog.get_logger().exception("failed")

    (line,) = lines(stream)
    assert isinstance(line["exception"], dict)
    assert len(line["exception"]["at"]) == MAX_FRAMES


def test_what_ends_the_process_is_a_line_without_its_message() -> None:
    program = (
        "from sanctum_messaging.observability.logging import configure_logging\n"
        "configure_logging('info', human=False)\n"
        "raise ExceptionGroup('canary', [ValueError('canary')])"
    )

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    (line,) = ended.stderr.splitlines()
    assert (ended.returncode, json.loads(line)["event"]) == (1, "service_failed")
    assert json.loads(line)["exception"]["parts"][0]["type"] == "ValueError"
    assert "canary" not in line


def test_without_standard_error_there_is_no_log_and_no_fault() -> None:
    program = (
        "import os; from sanctum_messaging.observability.logging import configure_logging, drain_lines\n"
        "import structlog\n"
        "configure_logging('info', human=False)\n"
        "structlog.get_logger().info('for nobody'); drain_lines()\n"
        "print(os.readlink('/proc/self/fd/2'))"
    )

    shell = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, program]
    ended = subprocess.run(shell, capture_output=True, text=True, check=True, timeout=60)

    assert ended.stdout == "/dev/null\n"


async def test_what_asyncio_reports_is_told_without_its_content(stream: io.StringIO) -> None:
    configure_logging("info", human=False, stream=stream)
    loop = asyncio.get_running_loop()

    loop.call_exception_handler({"message": "Task exception was never retrieved", "exception": ValueError("canary")})
    loop.call_exception_handler({"message": "Something", "transport": "canary"})

    assert [line["event"] for line in lines(stream)] == ["Task exception was never retrieved", "Something"]
    assert "canary" not in stream.getvalue()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_a_callback_was_given_is_not_told(
    stream: io.StringIO, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    configure_logging("info", human=False, stream=stream)

    def fail(given: str) -> None:
        raise ValueError(given)

    async def call() -> None:
        asyncio.get_running_loop().call_soon(partial(fail, "canary"))
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(call())

    (line,) = lines(stream)
    assert line["event"] == "Exception in callback"
    assert isinstance(line["exception"], dict)
    assert line["exception"]["type"] == "ValueError"
    assert "canary" not in stream.getvalue()


def test_a_developer_reads_text_with_the_whole_traceback(stream: io.StringIO) -> None:
    configure_logging("info", human=True, stream=stream)

    try:
        raise ValueError("what went wrong")
    except ValueError:
        structlog.get_logger().exception("failed", position=7)

    assert "failed" in stream.getvalue()
    assert "position=7" in stream.getvalue()
    assert "ValueError: what went wrong" in stream.getvalue()
