from __future__ import annotations

import fcntl
import os
import select
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.observability import line_writer
from sanctum_messaging.observability.line_writer import LineWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe as small as they get: its reader and its writer."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, writer
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:
            assert end == reader  # A test has closed it.


def read_until(reader: int, end: bytes) -> bytes:
    read = b""
    while not read.endswith(end):
        assert select.select([reader], [], [], 30)[0], read[-100:]
        read += os.read(reader, 65_536)
    return read


def test_lines_arrive_in_their_order(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = LineWriter(descriptor)

    for number in range(100):
        writer.write(f"line {number}\n")
    writer.close()

    assert os.read(reader, 4096).decode() == "".join(f"line {number}\n" for number in range(100))


def test_nobody_waits_for_a_reader_who_does_not_read(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_writer, "MAX_PENDING_CHARACTERS", 50_000)
    reader, descriptor = pipe
    writer = LineWriter(descriptor)

    for _ in range(300):
        writer.write("x" * 999 + "\n")

    # A pipe of 4 KiB holds a few, 50 wait, and 50 more may be on their way in the thread's hands.
    assert 300 - 4 - 50 - 50 <= writer.dropped <= 300 - 50
    taken = 300 - writer.dropped
    read = b""
    while len(read) < taken * 1000:
        read += os.read(reader, 65_536)
    assert read == b"".join([b"x" * 999 + b"\n"] * taken)
    writer.close()


def test_a_reader_who_is_gone_ends_nothing(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    os.close(reader)
    writer = LineWriter(descriptor)

    writer.write("to nobody\n")
    writer.close()

    assert writer.dropped == 1


def test_what_comes_while_others_are_written_is_written_at_the_end(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = LineWriter(descriptor)
    writer.write("x" * 9_999 + "\n")
    select.select([reader], [], [])  # The thread is in the midst of it: the pipe holds less.

    writer.write("last words\n")
    closing = threading.Thread(target=writer.close)
    closing.start()

    assert read_until(reader, b"last words\n") == b"x" * 9_999 + b"\nlast words\n"
    closing.join()


def test_a_descriptor_that_does_not_wait_loses_nothing(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    os.set_blocking(descriptor, False)
    writer = LineWriter(descriptor)
    lines = "".join(f"line {number}\n" for number in range(2_000))

    for line in lines.splitlines(keepends=True):
        writer.write(line)

    assert read_until(reader, b"line 1999\n").decode() == lines
    assert writer.dropped == 0
    writer.close()


def test_several_who_write_to_one_pipe_do_not_tear_lines(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writers = [LineWriter(descriptor), LineWriter(descriptor)]

    for _ in range(1_000):
        for writer, letter in zip(writers, "ab", strict=True):
            writer.write(letter * 99 + "\n")
    read = b""
    while read.count(b"\n") < 2_000:
        read += os.read(reader, 1_000)

    assert sorted(set(read.splitlines())) == [b"a" * 99, b"b" * 99]
    for writer in writers:
        writer.close()


def test_after_a_line_that_broke_off_the_next_one_is_a_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    descriptor = os.open(tmp_path / "pipe", os.O_WRONLY)
    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, 4096)
    writer = LineWriter(descriptor)
    writer.write("x" * 9_999 + "\n")
    select.select([reader], [], [])
    os.close(reader)
    while writer.dropped == 0:
        time.sleep(0.001)

    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    writer.write("next\n")

    assert read_until(reader, b"next\n").strip(b"x") == b"\nnext\n"
    writer.close()
    os.close(reader)
    os.close(descriptor)


def test_what_is_pending_can_be_waited_for(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = LineWriter(descriptor)

    writer.write("before\n")
    writer.drain()
    os.write(descriptor, b"after\n")

    assert os.read(reader, 100) == b"before\nafter\n"
    writer.close()


def test_what_no_encoding_knows_is_escaped(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = LineWriter(descriptor)

    writer.write("\ud800ü\n")
    writer.close()

    assert os.read(reader, 100) == b"\\ud800\xc3\xbc\n"


def test_the_last_words_of_a_process_are_written() -> None:
    program = (
        "import structlog; from sanctum_messaging.observability.logging import configure_logging\n"
        "configure_logging('info', human=False)\n"
        "structlog.get_logger().info('last')\n"
        "raise SystemExit(3)"
    )

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)

    assert (ended.returncode, ended.stderr.count(b'"event": "last"')) == (3, 1)


def test_what_the_garbage_collector_finds_may_log_in_the_midst_of_a_line(tmp_path: Path) -> None:
    program = (
        "import gc, os, sys, time; from sanctum_messaging.observability.line_writer import LineWriter\n"
        "class Garbage:\n"
        "    def __init__(self): self.itself = self\n"
        "    def __del__(self): writer.write('found\\n')\n"
        "writer = LineWriter(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT))\n"
        "gc.set_threshold(3, 1, 1)\n"
        "for number in range(1_500):\n"
        "    Garbage(); writer.write('line\\n')\n"
        "    if number % 3 == 0: time.sleep(0.0001)\n"
        "gc.collect(); writer.close()"
    )
    lines = tmp_path / "lines"

    subprocess.run([sys.executable, "-c", program, str(lines)], check=True, timeout=60)

    assert lines.read_text().count("line\n") == 1_500
    assert lines.read_text().count("found\n") == 1_500
