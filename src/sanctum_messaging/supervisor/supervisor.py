"""The process that starts the workers, and starts again what ends before it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging.observability.metrics import render_readings
from sanctum_messaging.supervisor.merging import merge_metrics
from sanctum_messaging.supervisor.readings import supervisor_readings
from sanctum_messaging.supervisor.restart_delay import RestartDelay
from sanctum_messaging.supervisor.worker import Worker

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

STOP_SECONDS = 30.0
"""How long the workers may take to stop; this is also what orchestrators commonly grant."""
MISCONFIGURED = 2
"""The exit code of a process that can't start like this; it has said why."""

_log = structlog.get_logger()


class Supervisor:
    """Keeps ``count`` processes of a command running, all of which take connections from one listening socket.

    The command gets three more arguments: the worker's number and the descriptors of the listening socket and of its
    link. ``announce`` is called once, when all workers listen for the first time. ``run`` needs a process to itself:
    it takes the signals, and reaps every child that there is.
    """

    def __init__(
        self,
        command: Sequence[str],
        listener: socket.socket,
        *,
        count: int,
        environ: Mapping[str, str],
        announce: Callable[[], None],
    ) -> None:
        self._command = command
        self._listener = listener
        self._environ = environ
        self._announce = announce
        self._workers: dict[int, Worker | None] = dict.fromkeys(range(count))
        self._awaited = set(self._workers)
        self._others_may_start = asyncio.Event()
        self._stopping = asyncio.Event()
        self._exit_code = 0
        self._restarts = 0

    async def run(self) -> int:
        """Serve until SIGINT or SIGTERM, or until the first worker finds that it can't; return the exit code."""
        self._hear_signals()
        async with asyncio.TaskGroup() as tasks:
            deadline = tasks.create_task(self._enforce_deadline())
            keepers = [tasks.create_task(self._keep(number)) for number in self._workers]
            await asyncio.wait(keepers)
            deadline.cancel()
        return self._exit_code

    async def gather_metrics(self) -> bytes:
        """Ask all workers for their metrics and put them together, without those who don't answer."""
        answers = await asyncio.gather(*(self._ask(number) for number in self._workers))
        told = {number: text for number, text in answers if text is not None}
        readings = supervisor_readings(
            self._count_listening,
            lambda: self._restarts,
            lambda: {str(number): int(number in told) for number in self._workers},
        )
        return render_readings(readings) + merge_metrics(told)

    async def _ask(self, number: int) -> tuple[int, bytes | None]:
        worker = self._workers[number]
        return number, None if worker is None else await worker.ask_metrics()

    def _count_listening(self) -> int:
        return sum(worker.listening for worker in self._workers.values() if worker is not None)

    async def _keep(self, number: int) -> None:
        """Have the worker of this number running until the stop.

        The first one goes ahead, so that what is wrong with the configuration is found, and said, once.
        """
        if number > 0:
            await self._others_may_start.wait()
        delay, loop = RestartDelay(), asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            code = await self._run_worker(number)
            if self._is_the_end(number, code):
                return
            wait = delay.after(loop.time() - began)
            self._restarts += 1
            _log.warning("worker_ended", worker=number, **_described(code), restart_in_seconds=wait)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._stopping.wait()

    async def _run_worker(self, number: int) -> int | None:
        """Start a worker and wait for its end; return its exit code, or None if it could not even be started."""
        try:
            worker = Worker.start([*self._command, str(number)], self._listener, self._environ)
        except OSError:
            _log.exception("worker_not_started", worker=number)
            return None
        self._workers[number] = worker
        try:
            return await worker.attend(lambda: self._note_listening(number, worker), self.gather_metrics)
        finally:
            self._workers[number] = None

    def _note_listening(self, number: int, worker: Worker) -> None:
        _log.info("worker_listening", worker=number, pid=worker.process.pid)
        self._others_may_start.set()
        if number in self._awaited:
            self._awaited.remove(number)
            if not self._awaited:
                self._announce()

    def _is_the_end(self, number: int, code: int | None) -> bool:
        """Tell whether no worker shall follow.

        What keeps one from starting ends everything while the service starts. Later it may heal, as a database that is
        out of reach does, and the other workers serve meanwhile.
        """
        if self._stopping.is_set():
            if code not in {0, -signal.SIGTERM}:
                _log.warning("worker_ended", worker=number, **_described(code))
                self._exit_code = self._exit_code or 1
        elif code == MISCONFIGURED and self._awaited:
            self._stop(MISCONFIGURED)
            self._tell_all(signal.SIGTERM)
        return self._stopping.is_set()

    def _hear_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._pass_on, number)

    def _pass_on(self, number: signal.Signals) -> None:
        """Tell all workers to stop, and if they have been told, to hurry: SIGTERM gives them time, SIGINT none."""
        if self._stopping.is_set():
            number = signal.SIGINT
        else:
            _log.info("stopping")
            self._stop(0)
        self._tell_all(number)

    def _tell_all(self, number: signal.Signals) -> None:
        for worker in self._workers.values():
            if worker is not None:
                # One that does not listen yet may not hear SIGINT either, but would tell of it in many lines.
                worker.tell(signal.SIGTERM if number == signal.SIGINT and not worker.listening else number)

    def _stop(self, exit_code: int) -> None:
        """Start nothing more; who calls from now on is refused as soon as the last worker stops listening."""
        self._exit_code = exit_code
        self._stopping.set()
        self._others_may_start.set()
        self._listener.close()

    async def _enforce_deadline(self) -> None:
        await self._stopping.wait()
        await asyncio.sleep(STOP_SECONDS)
        _log.error("stop_takes_too_long", seconds=STOP_SECONDS)
        self._exit_code = 1
        self._tell_all(signal.SIGKILL)

    def _reap(self) -> None:
        """Take leave of every child that ended: of workers, and as the first process of a container of anybody."""
        workers = {worker.process.pid: worker for worker in self._workers.values() if worker is not None}
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                worker = workers.get(ended[0])
                if worker is not None:
                    # Tells the process' object too, which else would wait for it again.
                    worker.process.returncode = os.waitstatus_to_exitcode(ended[1])
                    worker.ended.set_result(worker.process.returncode)


def _described(code: int | None) -> dict[str, object]:
    """Write how a worker ended; of the signals only the common ones have names."""
    if code is None:
        return {}
    if code >= 0:
        return {"exit_code": code}
    return {"signal": next((each.name for each in signal.Signals if each == -code), -code)}
