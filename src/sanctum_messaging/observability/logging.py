"""Logs: one event with fields a line, JSON for machines or text for a developer, on standard error.

What clients send never reaches a line as it is: control characters are escaped, long values cut, and of an exception
the log tells type and place but not the message, into which drivers put the values at fault.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging.observability.escaping import escape
from sanctum_messaging.observability.hot_events import JSONSink, Sink
from sanctum_messaging.observability.line_writer import LineWriter

if TYPE_CHECKING:
    from types import TracebackType

    from structlog.typing import EventDict, Processor, WrappedLogger

    from sanctum_messaging.observability.hot_events import Writable

MAX_CAUSES = 5
"""How far an exception's causes are followed; the sixth has never told anything that the first five did not."""
_CALLED = "Exception in callback"
_SPEAKERS = ("opentelemetry", "urllib3")
"""Libraries that speak to a collector of traces."""
MAX_FRAMES = 40
"""Of an exception, the innermost: more than any way through the code has, unless something calls itself."""


def configure_logging(level: str, *, human: bool, worker: int | None = None, stream: Writable | None = None) -> None:
    """Set up all logging of the process; ``level`` is a lower-case name, ``human`` is for development.

    Each line of a ``worker``, one of several processes that serve together, tells its number. What ends the process
    unforeseen is an event like any other, since its traceback would hold what is kept out of all of them.

    The level is for our own events. Libraries are heard from ``warning`` on and uvicorn from ``info`` on, since at
    ``debug`` some of them write down what they transport.
    """
    target = _open_target() if stream is None else stream
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        *_of_worker(worker),
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    final: list[Processor] = [*_exceptions(human=human), escape_values, _renderer(target, human=human)]
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=Sink(target) if human else JSONSink(target, worker),
    )
    _route_libraries(target, shared, final)
    logging.getLogger().setLevel(max(threshold, logging.WARNING))
    logging.getLogger("uvicorn").setLevel(max(threshold, logging.INFO))
    if stream is None and not human:
        sys.excepthook = _tell_end


def count_dropped_lines() -> int:
    """Count the lines that nobody took in time, since logging was set up."""
    sink = structlog.get_config()["logger_factory"]
    target = sink.target if isinstance(sink, Sink) else None
    return target.dropped if isinstance(target, LineWriter) else 0


def drain_lines() -> None:
    """Wait, a second at most, until all lines are written."""
    sink = structlog.get_config()["logger_factory"]
    if isinstance(sink, Sink) and isinstance(sink.target, LineWriter):
        sink.target.drain()


def escape_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape control characters in every text of an event and cut what is too long."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = escape(value)
    return event


def describe_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace ``exc_info`` by what kind of exception it was, where it came from, and what led to it."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = _described(error, depth=0)
    return event


def _described(error: BaseException, depth: int) -> dict[str, object]:
    """Describe an exception without its message; only what the system itself says of a call is kept."""
    frames = [f"{frame.f_globals.get('__name__')}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)]
    described: dict[str, object] = {"type": type(error).__qualname__, "at": frames[-MAX_FRAMES:]}
    if isinstance(error, OSError) and error.strerror:
        described["system"] = error.strerror
    if depth == MAX_CAUSES:
        return described
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        described["cause"] = _described(cause, depth + 1)
    if isinstance(error, BaseExceptionGroup):
        described["parts"] = [_described(part, depth + 1) for part in error.exceptions[:MAX_CAUSES]]
    return described


def _tell_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Tell what nobody has caught; to be interrupted is no fault."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger().critical("service_failed", exc_info=error)


def _open_target() -> Writable:
    """Open standard error; what has no descriptor is a text in memory, which makes nobody wait.

    Where it was closed by whoever started the process, nobody reads, and a socket must not get its number.
    """
    if sys.stderr is None:
        return LineWriter(os.open(os.devnull, os.O_WRONLY))
    try:
        return LineWriter(sys.stderr.fileno())
    except io.UnsupportedOperation:
        return sys.stderr


def _of_worker(worker: int | None) -> list[Processor]:
    """Name the worker in every line, also in those of threads, which inherit no context."""

    def name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {"worker": worker, **event}

    return [] if worker is None else [name]


def _exceptions(*, human: bool) -> list[Processor]:
    return [] if human else [describe_exception]


def _renderer(target: Writable, *, human: bool) -> Processor:
    if not human:
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )


def _route_libraries(target: Writable, shared: list[Processor], final: list[Processor]) -> None:
    """Send the records of the standard library's loggers through the same processors."""
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _first_line],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    handler.addFilter(_withhold)
    logging.getLogger().handlers = [handler]
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate, logger.disabled = [], True, False
    # It writes each request with its query.
    logging.getLogger("uvicorn.access").disabled = True
    errors = logging.getLogger("uvicorn.error")
    errors.filters = [_is_no_handshake]


def _withhold(record: logging.LogRecord) -> bool:
    """Keep what they were given from the words of those that speak to other services, numbers excepted.

    They quote addresses and headers there, which hold what proves to these services who is calling.
    """
    if record.name.startswith(_SPEAKERS):
        given = record.args if isinstance(record.args, tuple) else ()
        record.args = tuple(each if isinstance(each, int | float) else _kind_of(each) for each in given)
    return True


def _kind_of(value: object) -> str:
    return type(value).__name__ if isinstance(value, BaseException) else "…"


def _is_no_handshake(record: logging.LogRecord) -> bool:
    """Tell uvicorn's line for each WebSocket apart, which holds the query."""
    return '"WebSocket %s"' not in str(record.msg)


def _first_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keep a library's own words: what follows in further lines are representations of objects and their content.

    The event loop has one in its first line: of what it called, with all that this was given.
    """
    words = str(event["event"]).partition("\n")[0]
    event["event"] = _CALLED if words.startswith(_CALLED) else words
    return event
