"""Builds that break one promise each, and the test that must notice.

A mutant is the source with a text replaced. If the text is not there any more, the mutant has to be written anew: it
then says nothing about the code.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
PACKAGE = "sanctum_messaging"
_CLUSTER = "tests/fault/test_cluster.py::test_a_cluster_keeps_its_promises_through"
_HUB = "tests/unit/hub"
FAILED = 1
"""Pytest's exit code: tests ran, and some failed."""


class StaleMutantError(Exception):
    """The text that a mutant replaces is not in the source."""


@dataclass(frozen=True, slots=True)
class Change:
    """A text of a file, and what stands there instead."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """``test`` must fail on it, and what it prints must hold ``sign``."""

    name: str
    changes: tuple[Change, ...]
    test: str
    sign: str = "FAILED"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a test ended, and what it printed."""

    code: int
    output: str


MUTANTS = (
    Mutant(
        "acknowledge before the commit is on disk",
        (
            Change(
                "adapters/postgres/connecting.py",
                "SET default_transaction_isolation = 'read committed';",
                "SET default_transaction_isolation = 'read committed';\nSET synchronous_commit = off;",
            ),
        ),
        f"{_CLUSTER}[postgres_killed]",
        "is lost",
    ),
    Mutant(
        "no unique client message id",
        (
            Change(
                "adapters/postgres/migrations/0001_tables.sql",
                "CREATE UNIQUE INDEX message_by_client_id",
                "CREATE INDEX message_by_client_id",
            ),
            Change(
                "adapters/postgres/migrations/0002_append_messages.sql",
                "d.sender_id || E'\\n' || d.client_message_id) LIMIT 1",
                "d.sender_id || E'\\n' || d.client_message_id) AND false LIMIT 1",
            ),
        ),
        f"{_CLUSTER}[instance_killed]",
        "K2:",
    ),
    Mutant(
        "one position skipped",
        (
            Change(
                "adapters/postgres/migrations/0002_append_messages.sql",
                "head_position + count(*) FILTER",
                "head_position + (head_position BETWEEN 100 AND 110)::int + count(*) FILTER",
            ),
        ),
        f"{_CLUSTER}[redis_flushed]",
        "K3:",
    ),
    Mutant(
        "a gap is not swept",
        (
            Change(
                "hub/log_tail.py",
                "        except TimeoutError:\n            self._doubtful = True\n",
                "        except TimeoutError:\n            pass\n",
            ),
        ),
        "tests/fault/test_deliveries.py::test_what_is_appended_elsewhere_arrives_without_redis",
    ),
    Mutant(
        "an old generation may write its state",
        (
            Change(
                "adapters/redis/resume_persist.lua", "if generation and tonumber(generation) >", "if generation and 0 >"
            ),
        ),
        "tests/contract/test_resume_store.py::test_a_superseded_generation_writes_nothing",
    ),
    Mutant(
        "the lock is taken by the statement that checks",
        (
            Change(
                "adapters/postgres/migrations/0002_append_messages.sql",
                "    PERFORM pg_advisory_xact_lock(23434227459839309);\n",
                "",
            ),
            Change(
                "adapters/postgres/migrations/0002_append_messages.sql",
                "    WITH found AS MATERIALIZED (",
                "    WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock(23434227459839309)),"
                " found AS MATERIALIZED (",
            ),
            Change(
                "adapters/postgres/migrations/0002_append_messages.sql",
                "        FROM unnest(ids,",
                "        FROM locked CROSS JOIN unnest(ids,",
            ),
        ),
        "tests/unit/adapters/postgres/test_two_writers.py::test_a_send_that_waits_sees_the_removal_of_its_sender",
    ),
    Mutant(
        "a connection is entered among the live a tick after it has looked",
        (
            Change(
                "hub/delivery.py",
                "from typing import TYPE_CHECKING, L",
                "import asyncio\nfrom typing import TYPE_CHECKING, L",
            ),
            Change(
                "hub/delivery.py",
                "        self._user.live += (self,)\n",
                "        user = self._user\n"
                "        asyncio.get_running_loop().call_soon(lambda: setattr(user, 'live', (*user.live, self)))\n",
            ),
        ),
        f"{_HUB}/test_delivery.py::TestASlowReader"
        "::test_that_was_caught_up_in_memory_sees_what_comes_while_he_goes_live",
    ),
    Mutant(
        "a connection goes live beside a page that is being read for it",
        (Change("hub/delivery.py", " and not self._reading:", ":"),),
        f"{_HUB}/test_delivery.py::TestAPageThatIsBeingRead",
    ),
    Mutant(
        "a heartbeat is given the cursor of a resync that follows it",
        (
            Change(
                "hub/delivery.py", "self._encode(each) for each in self._replies]", "each for each in self._replies]"
            ),
        ),
        f"{_HUB}/test_delivery.py::TestHeartbeats",
    ),
    Mutant(
        "who is let in is handed what was said before",
        (Change("hub/fan_out.py", "            self._audience = tuple(self._audience)\n", "            pass\n"),),
        f"{_HUB}/test_fan_out.py::test_who_is_let_in_during_a_run_is_handed_what_follows",
    ),
    Mutant(
        "a user is registered after his memberships were read",
        (Change("hub/users.py", "        self._loading.update(unknown)\n", ""),),
        f"{_HUB}/test_users.py::TestReadingWhileMembershipsChange",
    ),
    Mutant(
        "the ring is served across a change of memberships",
        (Change("hub/catch_up.py", "if after.position < user.changed_at or not", "if not"),),
        f"{_HUB}/test_catch_up.py::TestPages::test_come_from_the_database_across_a_change_of_memberships",
    ),
    Mutant(
        "the log's end is taken from the tail",
        (
            Change(
                "hub/polls.py",
                "            epoch = await self._enter(cursor, await users.load(user))",
                "            await users.load(user)\n"
                "            epoch = await self._enter(cursor, self._source.ring.tail)",
            ),
        ),
        f"{_CLUSTER}[redis_link_cut]",
        "K5:",
    ),
    Mutant(
        "a running hub never compares the tag",
        (
            Change(
                "hub/log_tail.py",
                "events = await self._log.follow(self._ring.tail, limit=_READ_EVENTS)",
                "events = await self._log.read_log(after=self._ring.tail.position, limit=_READ_EVENTS)",
            ),
            Change(
                "hub/log_tail.py",
                "        known = (committed.before,",
                "        known = () if committed else (committed.before,",
            ),
        ),
        f"{_HUB}/test_log_tail.py::TestSweeping::test_notices_another_log",
    ),
)


def change_files(mutant: Mutant) -> dict[str, str]:
    """Make the files that the mutant changes. Raises ``StaleMutantError``."""
    files: dict[str, str] = {}
    for change in mutant.changes:
        text = files.get(change.file) or (SOURCE / PACKAGE / change.file).read_text("utf-8")
        if text.count(change.old) != 1:
            raise StaleMutantError(f"{mutant.name}: {change.file} holds {text.count(change.old)} times: {change.old}")
        files[change.file] = text.replace(change.old, change.new)
    return files


def build(mutant: Mutant, folder: Path) -> Path:
    """Copy the source into a folder with the mutant's changes. Raises ``StaleMutantError``."""
    source = folder / "src"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    for file, text in change_files(mutant).items():
        (source / PACKAGE / file).write_text(text, "utf-8")
    return source


def run_test(test: str, source: Path) -> Verdict:
    """Run a test with this source in the place of the installed one."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "", "-p", "no:cacheprovider", test],
        env={**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1", "SANCTUM_SEED": "1"},
        capture_output=True,
        text=True,
        check=False,
        cwd=SOURCE.parent,
    )
    return Verdict(done.returncode, done.stdout + done.stderr)
