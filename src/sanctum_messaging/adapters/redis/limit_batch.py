"""Checks of rate limits that travel together: what the script is told of them, and what its answer means."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.domain.limits import Verdict, left_at, wait_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sanctum_messaging.domain.limits import Charge, Limit

INSTANCE_SECONDS = 10.0
"""An instance that did not show itself for so long is not counted any more."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[int]).decode


@dataclass(slots=True)
class Check:
    """Charges that somebody waits for, ``since`` when; ``takes`` is false where he only looks."""

    charges: Sequence[Charge]
    takes: bool
    answer: asyncio.Future[Verdict]
    verdict: Verdict | None = None
    since: float = math.inf


class Batch:
    """Checks that are decided by one call of the script, in their order. Charges on the same bucket share its key."""

    def __init__(self, log_id: str, told_ms: Callable[[Charge], int]) -> None:
        """Count for the instances that share a log; whoever else uses this Redis has callers and instances of his own.

        ``told_ms`` says in how many milliseconds a bucket is full by what this instance let pass by itself.
        """
        self._told_ms = told_ms
        self._checks: list[Check] = []
        # One hash tag for all keys, so that a cluster keeps them together.
        self._prefix = f"sanctum:limits:{{{log_id}}}:".encode()
        self._keys: list[bytes] = [self._prefix + b"instances"]
        self._buckets: dict[tuple[str, str], int] = {}
        self._limits: dict[str, int] = {}
        self._sizes: list[tuple[int, int]] = []
        self._owners: list[int] = []
        self._told: list[tuple[int, int]] = []
        self._numbers: list[list[int]] = []

    def __len__(self) -> int:
        return len(self._checks)

    @property
    def keys(self) -> list[bytes]:
        """What the script touches."""
        return self._keys

    def add(self, check: Check) -> None:
        """Have the script decide this one after those that were added before."""
        numbers = [1 if check.takes else 0]
        for charge in check.charges:
            number = self._buckets.get((charge.limit.name, charge.key))
            numbers.append(self._add_bucket(charge) if number is None else number)
        self._numbers.append(numbers)
        self._checks.append(check)

    def encode(self, instance: str) -> bytes:
        """Write down what the script has to know; ``instance`` shows itself, unless it is an empty text."""
        lifetime = int(INSTANCE_SECONDS * 1000)
        return _encode((instance, lifetime, self._sizes, self._owners, self._told, self._numbers))

    def read(self, answer: object) -> tuple[int, list[Reply]]:
        """Return the number of instances, 0 if it was not asked for, and the replies in the order of the checks.

        Raises:
            msgspec.MsgspecError: this is no answer of the script.
        """
        numbers = _decode(answer) if isinstance(answer, bytes) else []
        if len(numbers) != 1 + sum(1 + 2 * len(check.charges) for check in self._checks):
            raise msgspec.ValidationError("it is no answer to these checks")
        replies: list[Reply] = []
        place = 1
        for check in self._checks:
            end = place + 1 + 2 * len(check.charges)
            spans = zip(check.charges, numbers[place + 1 : end : 2], numbers[place + 2 : end : 2], strict=True)
            debts = [whole * charge.limit.max + parts for charge, whole, parts in spans]
            replies.append(Reply(check, debts, passed=numbers[place] == 1))
            place = end
        return numbers[0], replies

    def _add_bucket(self, charge: Charge) -> int:
        limit, key = charge
        owner = self._limits.get(limit.name)
        if owner is None:
            self._sizes.append((limit.max, limit.interval_ms))
            owner = self._limits[limit.name] = len(self._sizes)
        self._owners.append(owner)
        number = self._buckets[limit.name, key] = len(self._owners)
        # Any text may be in a key, however long, and even half a character.
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self._keys.append(b"%b%b:%b" % (self._prefix, limit.name.encode(), digest))
        told = self._told_ms(charge)
        if told:
            self._told.append((number, told))
        return number


@dataclass(slots=True)
class Reply:
    """What the script found of a check: the debts of its limits in their order, and whether each had one left."""

    check: Check
    debts: list[int]
    passed: bool

    def verdict(self, elapsed_ms: int = 0) -> Verdict:
        """Say it in the words of the port, as it is after so many milliseconds in which nobody took anything."""
        longest = 0
        refused: Limit | None = None
        left = []
        for (limit, _), then in zip(self.check.charges, self.debts, strict=True):
            debt = max(0, then - elapsed_ms * limit.max)
            left.append(left_at(limit, debt))
            if not self.passed and (wait := wait_ms(limit, debt)) > longest:
                longest, refused = wait, limit
        return Verdict(self.check.charges, left, refused, longest)
