from __future__ import annotations

import json
import os
import select
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.program import PATIENCE_SECONDS, is_there
from tests.unit.supervisor.supervised import Supervised, call

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_announced_once_when_all_listen(tmp_path: Path) -> None:
    with Supervised(tmp_path, workers=3) as service:
        workers = service.wait_for_workers(3)
        port = service.wait_for_port()

        _, number, pid = call(port).partition("\n")[0].split()

        assert workers[int(number)] == int(pid)
        os.kill(workers[2], signal.SIGKILL)
        assert service.wait_for_worker()[0] == 2
        assert service.stop() == 0
        assert service.count("announced") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_every_worker_once_and_ends_all(tmp_path: Path, number: signal.Signals) -> None:
    with Supervised(tmp_path) as service:
        workers = service.wait_for_workers()
        service.wait_for_port()

        assert service.stop(number) == 0

        assert [service.count(f"worker {each} heard {number.name}") for each in workers] == [1, 1]
        assert service.count(" heard ") == 2
        assert not any(map(is_there, workers.values()))


def test_what_a_terminal_sends_to_all_its_processes_reaches_a_worker_once(tmp_path: Path) -> None:
    with Supervised(tmp_path, "hesitant") as service:
        workers = service.wait_for_workers()
        service.wait_for_port()

        os.killpg(service.process.pid, signal.SIGINT)
        for _ in workers:
            service.wait_for(" heard SIGINT")

        # One signal is not enough for these, so they are still there. Two could have become one on the way.
        assert service.process.pid not in map(os.getpgid, workers.values())
        assert service.stop() == 0
        assert service.count(" heard SIGINT") == 4


def test_a_second_signal_hurries(tmp_path: Path) -> None:
    with Supervised(tmp_path, "hesitant", workers=1) as service:
        service.wait_for_port()
        service.send(signal.SIGTERM)
        service.wait_for("heard SIGTERM")

        assert service.stop() == 0
        assert (service.count("heard SIGTERM"), service.count("heard SIGINT")) == (1, 1)


def test_a_worker_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    with Supervised(tmp_path, "deaf", stop_seconds=0.2) as service:
        workers = service.wait_for_workers()
        service.wait_for_port()

        assert service.stop() == 1

        assert service.count("stop_takes_too_long") == 1
        assert not any(map(is_there, workers.values()))


def test_a_killed_worker_is_replaced_at_once(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service:
        workers = service.wait_for_workers()
        port = service.wait_for_port()

        os.kill(workers[1], signal.SIGKILL)

        ended = json.loads(service.wait_for(r".*worker_ended.*")[0])
        assert (ended["worker"], ended["signal"], ended["restart_in_seconds"]) == (1, "SIGKILL", 0.0)
        number, replacement = service.wait_for_worker()
        assert number == 1
        service.wait_for("worker_listening")
        assert not is_there(workers[1])
        metrics = call(port)
        assert f'pid{{worker="0"}} {workers[0]}\n' in metrics
        assert f'pid{{worker="1"}} {replacement}\n' in metrics
        assert "sanctum_workers 2.0\n" in metrics
        assert "sanctum_worker_restarts_total 1.0\n" in metrics
        assert service.stop() == 0


def test_a_worker_that_was_told_to_stop_is_replaced_too(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service:
        workers = service.wait_for_workers()
        service.wait_for_port()

        os.kill(workers[0], signal.SIGTERM)

        ended = json.loads(service.wait_for(r".*worker_ended.*")[0])
        assert (ended["worker"], ended["exit_code"]) == (0, 0)
        assert service.wait_for_worker()[0] == 0
        assert service.stop() == 0


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="there are no such signals")
def test_a_signal_without_a_name_ends_a_worker_only(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service:
        workers = service.wait_for_workers()
        service.wait_for_port()

        os.kill(workers[1], signal.SIGRTMIN + 3)

        assert json.loads(service.wait_for(r".*worker_ended.*")[0])["signal"] == signal.SIGRTMIN + 3
        assert service.wait_for_worker()[0] == 1
        assert service.stop() == 0


def test_one_that_keeps_dying_is_given_time_unless_all_stop(tmp_path: Path) -> None:
    with Supervised(tmp_path, "crashing", first_delay_seconds=30) as service:
        ends = [json.loads(service.wait_for(".*worker_ended.*")[0]) for _ in range(2)]

        assert [each["restart_in_seconds"] for each in ends] == [0.0, 30.0]
        assert {(each["worker"], each["exit_code"]) for each in ends} == {(0, 3)}
        assert service.stop() == 0


def test_what_is_wrong_with_the_configuration_is_said_once(tmp_path: Path) -> None:
    with Supervised(tmp_path, "misconfigured", workers=4) as service:
        assert service.wait() == 2

        assert service.lines == ["SETTING: is wrong\n"]


def test_a_worker_too_many_ends_the_start(tmp_path: Path) -> None:
    with Supervised(tmp_path, "second misconfigured") as service:
        assert service.wait() == 2

        assert service.count("SETTING: is too much") == 1
        assert service.count("announced") == 0


def test_a_fault_that_comes_later_does_not_stop_the_others(tmp_path: Path) -> None:
    with Supervised(tmp_path, "misconfigured later", first_delay_seconds=0.1) as service:
        workers = service.wait_for_workers()
        port = service.wait_for_port()
        (tmp_path / "fault").touch()

        os.kill(workers[1], signal.SIGKILL)
        for _ in range(2):
            service.wait_for("SETTING: is wrong")

        assert call(port).startswith(f"worker 0 {workers[0]}\n")
        (tmp_path / "fault").unlink()
        assert service.wait_for_worker()[0] == 1
        assert service.stop() == 0


def test_a_command_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    with Supervised(tmp_path, "missing") as service:
        for _ in range(2):
            service.wait_for("worker_not_started")
            service.wait_for("worker_ended")

        assert service.stop() == 0


def test_a_stopped_worker_is_left_out_of_the_metrics(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service:
        workers = service.wait_for_workers()
        port = service.wait_for_port()
        os.kill(workers[1], signal.SIGSTOP)
        try:
            metrics = call(port)
        finally:
            os.kill(workers[1], signal.SIGCONT)

        assert f'pid{{worker="0"}} {workers[0]}\n' in metrics
        assert 'pid{worker="1"}' not in metrics
        assert 'sanctum_worker_up{worker="0"} 1.0\n' in metrics
        assert 'sanctum_worker_up{worker="1"} 0.0\n' in metrics
        assert service.stop() == 0


def test_no_worker_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service:
        service.wait_for_workers()
        service.wait_for_port()

        assert service.stop(signal.SIGKILL) == -signal.SIGKILL

        assert service.count("is orphaned") == 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the first process adopts orphans")
def test_strangers_are_reaped(tmp_path: Path) -> None:
    with Supervised(tmp_path, "leaving a stranger") as service:
        stranger = int(service.wait_for(r"^stranger is (\d+)$")[1])
        port = service.wait_for_port()
        watched = os.pidfd_open(stranger)
        os.kill(stranger, signal.SIGKILL)
        select.select([watched], [], [], PATIENCE_SECONDS)
        os.close(watched)

        # Each answer comes from the event loop that reaps too.
        assert any(call(port) and not is_there(stranger) for _ in range(100))
        assert service.stop() == 0
