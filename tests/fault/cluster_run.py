"""One run: a cluster under load, to which faults are done; then it must recover, and the checker decides."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.cluster import Cluster
from tests.fault.checker import check
from tests.fault.history import Violation, sort_out
from tests.fault.load import Load
from tests.fault.nemesis import FAULTS
from tests.fault.recorder import Delivered, Entry, Faulted, Recorder, write_recording
from tests.fault.stored_log import keep_log, read_stored_log

RESULTS = Path("test-results")
"""Where the recording of a run that failed stays."""
RECOVERY_SECONDS = 10
"""From the end of the last fault until all are ready, and until every client is live."""
PATIENCE_SECONDS = 4
"""A client that gets no answer for so long goes elsewhere."""
USERS = 6
REST_SECONDS = 0.3
"""Of each sender between two messages: 30 of them make at most some 100 a second, with 10 readers each."""
SETTLE_SECONDS = 1.0
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Step:
    """A fault and how long it lasts; then the cluster is left alone for a while."""

    fault: str
    seconds: float
    pause_seconds: float = SETTLE_SECONDS


async def run_and_check(cluster: Cluster, steps: Sequence[Step], *, seed: int) -> str:
    """Run a plan and return a line that describes what happened. Raises ``AssertionError`` if anything was not right.

    The recording and the log stay on disk if the checker found something, and the error says where.
    """
    recorder = Recorder()
    try:
        await _run(cluster, steps, recorder=recorder, draw=random.Random(seed))
    except BaseException as error:
        error.add_note(await _judge(cluster, recorder, seed=seed, failed=True))
        raise
    found = await _judge(cluster, recorder, seed=seed)
    assert not found, found
    return f"seed {seed}: {describe(recorder.entries)}"


async def _run(cluster: Cluster, steps: Sequence[Step], *, recorder: Recorder, draw: random.Random) -> None:
    load = Load(
        lambda: cluster.pick(draw),
        cluster.token,
        recorder=recorder,
        seed=draw.getrandbits(32),
        users=USERS,
        rest=REST_SECONDS,
        patience=PATIENCE_SECONDS,
    )
    async with load:
        await load.start()
        await load.run_until_acknowledged(50)
        for step in steps:
            recorder.note(Faulted(recorder.now, step.fault))
            async with FAULTS[step.fault](cluster, draw):
                await load.run_for(step.seconds)
            recorder.note(Faulted(recorder.now, step.fault, mended=True))
            await load.run_for(step.pause_seconds)
        await asyncio.gather(load.find_live(RECOVERY_SECONDS), cluster.find_ready(RECOVERY_SECONDS))
        await load.run_until_acknowledged(50)
        await load.drain()


async def _judge(cluster: Cluster, recorder: Recorder, *, seed: int, failed: bool = False) -> str:
    """Let the checker decide; if it finds anything, or the run failed, keep by what, and say what and where."""
    if "redis_unavailable" in cluster.logs:
        recorder.note(Faulted(recorder.now, "redis_slow", mended=True))
    await asyncio.to_thread(cluster.postgres.revive)
    log = await asyncio.to_thread(read_stored_log, cluster.database_url)
    violations = check(recorder.entries, log) + [Violation("K10", line) for line in cluster.faults]
    if not violations and not failed:
        return ""
    folder = (RESULTS / f"fault-{seed}").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_recording(folder / "recording", recorder.entries)
    keep_log(folder / "log.json", log)
    (folder / "instances.log").write_text(cluster.logs, "utf-8")
    kept = f"python -m tests.fault.checker {folder}/recording {folder}/log.json"
    return f"seed {seed}, to be seen by `{kept}`:\n{_list(violations)}"


def _list(violations: Sequence[Violation]) -> str:
    counts = Counter(violation.check for violation in violations)
    return "\n".join([*map(str, violations[:SHOWN]), f"of each check: {dict(counts)}"])


def describe(entries: Sequence[Entry]) -> str:
    """Say what a run consisted of."""
    recording = sort_out(entries)
    sends = list(recording.of("send"))
    outcomes = Counter(answer.code or answer.outcome for answer in recording.answers)
    closes = Counter(close.code for close in recording.closes)
    delivered = sum(isinstance(entry, Delivered) for entry in entries)
    waited = sorted(send.answered - send.called for send in sends if send.outcome == "ok")
    return (
        f"{len(waited)} sends acknowledged (p50 {_share(waited, 0.5):.3f} s, p99 {_share(waited, 0.99):.3f} s),"
        f" {delivered} deliveries over {len(recording.closes)} sockets, {len(recording.readers)} readers;"
        f" answers {dict(outcomes)}, closes {dict(closes)}"
    )


def _share(waited: Sequence[float], share: float) -> float:
    return waited[int(share * (len(waited) - 1))] if waited else 0.0
