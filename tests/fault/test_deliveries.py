"""What must arrive by itself while something is broken: nobody asks, reconnects or appends again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.e2e.client import Client

if TYPE_CHECKING:
    from tests.e2e.cluster import Cluster

SWEPT_SECONDS = 5
"""Twenty times as long as an instance goes without looking at the database while it hears nothing."""


@pytest.mark.timeout(300)
async def test_what_is_appended_elsewhere_arrives_without_redis(cluster: Cluster) -> None:
    here, there = (instance.service.base_url for instance in cluster.instances[:2])
    await asyncio.to_thread(cluster.valkey.kill)
    async with Client(here, cluster.token("ann")) as ann, Client(there, cluster.token("bob")) as bob:
        conversation_id = await ann.create("bob")
        async with bob.connect() as socket:
            await socket.find_live()
            for number in range(3):
                await ann.send(conversation_id, f"number {number}")
                async with asyncio.timeout(SWEPT_SECONDS):
                    await socket.assert_pushed("message.created", body=f"number {number}")
