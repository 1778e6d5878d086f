"""Builds in which rate limits do not hold across instances."""

from __future__ import annotations

from tests.fault.mutants import Change, Mutant

_SCRIPT, _LIMITER = "adapters/redis/limiter.lua", "adapters/redis/limiter.py"
_CALL = "answer = await self._script(keys=batch.keys, args=[batch.encode(instance)])"
_TESTS = "tests/unit/adapters/redis/test_limiter.py"
_STORED = "string.format('%.0f:%.0f', whole[number], parts[number])"

LIMITER_MUTANTS = (
    Mutant(
        "a check is written after it was decided",
        (
            Change(
                _SCRIPT, "for number in pairs(changed) do", "local late = {answer}\nfor number in pairs(changed) do"
            ),
            Change(
                _SCRIPT,
                f"redis.call('SET', KEYS[number + 1], {_STORED}, 'PX', left)",
                f"late[#late + 1] = KEYS[number + 1]; late[#late + 1] = {_STORED}",
            ),
            Change(_SCRIPT, "return cmsgpack.pack(answer)", "late[1] = cmsgpack.pack(answer)\nreturn late"),
            Change(
                _LIMITER,
                _CALL,
                f"answer, *late = {_CALL.partition(' = ')[2]}\n"
                "                for key, value in zip(late[::2], late[1::2], strict=True):\n"
                "                    await self._script.registered_client.set(key, value)",
            ),
        ),
        f"{_TESTS}::test_two_instances_are_exact_together",
    ),
    Mutant(
        "the clock of the caller decides",
        (
            Change(_SCRIPT, "time[1] * 1000 + math.floor(time[2] / 1000)", "tonumber(ARGV[2])"),
            Change(_LIMITER, _CALL, _CALL.replace("(instance)]", "(instance), int(self._monotonic() * 1000)]")),
        ),
        f"{_TESTS}::test_the_clocks_of_the_instances_do_not_matter",
    ),
    Mutant(
        "a refusal takes from the limits that had some left",
        (Change(_SCRIPT, "if passes == 1 and check[1] == 1 then", "if then_whole[place] and check[1] == 1 then"),),
        "tests/contract/test_limiter.py::test_nothing_is_taken_from_any_limit_if_one_refuses",
    ),
    Mutant(
        "nobody tells Redis what passed while it was away",
        (
            Change(
                "adapters/redis/limit_shares.py",
                "if since_ms >= charge.limit.interval_ms:",
                "if since_ms >= 0:",
            ),
        ),
        f"{_TESTS}::test_while_redis_is_down_each_instance_counts_its_share",
    ),
    Mutant(
        "each instance counts for itself",
        (
            Change(
                "bootstrap/redis.py",
                "        limiter,\n        local,\n",
                "        LocalOnly(local),\n        local,\n",
            ),
            Change(
                "bootstrap/redis.py",
                "from sanctum_messaging.adapters.redis.bus import RedisBus\n",
                "from sanctum_messaging.adapters.memory.limiter import LocalOnly\n"
                "from sanctum_messaging.adapters.redis.bus import RedisBus\n",
            ),
        ),
        "tests/fault/test_limits.py::test_limits_hold_across_instances_and_while_redis_is_killed",
    ),
)
