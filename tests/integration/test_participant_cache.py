"""The participant cache in its place: what it saves, and what it never gets wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.integration.calling import got

if TYPE_CHECKING:
    from tests.integration.calling import Api


async def read_counts(api: Api) -> dict[str, float]:
    """Read what the cache counts, by name and level."""
    text = (await api.nobody.get("/metrics")).text
    pattern = r'^sanctum_participant_cache_(\w+?)(?:_total)?(?:\{level="(\w+)"\})? ([0-9.e+]+)$'
    found = re.findall(pattern, text, re.MULTILINE)
    return {f"{name} {level}".strip(): float(value) for name, level, value in found}


async def test_a_list_is_read_once_and_again_after_a_change(api: Api) -> None:
    ann = api.user("ann")
    group = await ann.create("bob", "cid")
    path = f"/v1/conversations/{group}/participants"
    for _ in range(3):
        assert len(got(await ann.get(path), 200)["participants"]) == 3
    counts = await read_counts(api)
    assert (counts["misses"], counts["hits memory"], counts["entries"], counts["participants"]) == (1, 2, 1, 3)
    got(await ann.delete(f"{path}/bob"), 204)
    told = await read_counts(api)
    assert (told["entries"], told["invalidations"]) == (0, counts["invalidations"] + 1)
    assert [each["userId"] for each in got(await ann.get(path), 200)["participants"]] == ["ann", "cid"]
    assert (await read_counts(api))["misses"] == 2


async def test_ones_own_marks_are_shown_to_oneself_alone_and_as_they_are(api: Api) -> None:
    ann, bob = api.user("ann"), api.user("bob")
    group = await ann.create("bob")
    path = f"/v1/conversations/{group}/participants"
    for muted in (True, False):
        got(await bob.patch(f"{path}/bob", {"muted": muted}), 200)
        for _ in range(2):
            listed = {each["userId"]: each for each in got(await bob.get(path), 200)["participants"]}
            assert listed["bob"]["muted"] is muted
            assert "muted" not in listed["ann"]
            seen = {each["userId"]: each for each in got(await ann.get(path), 200)["participants"]}
            assert "muted" not in seen["bob"]
