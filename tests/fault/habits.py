"""What users do, over and over, until the scene ends; each habit is a task of the load."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING

from websockets.exceptions import WebSocketException

from tests.fault.recorder import Drained

if TYPE_CHECKING:
    import random

    from tests.fault.device import Device
    from tests.fault.recorder import Pending
    from tests.fault.scene import Scene

RETRIED = {"overloaded", "unavailable", "stopping"}
BY_SOCKET = 0.7
"""The share of sends that go over the socket; the others go over HTTP, and a repeat may go the other way."""
REPEATS = 0.03
READS_BACK = 0.1
"""How often a sender looks at once whether it is there, wherever that leads him."""
FORGETS = 0.2
"""How often a client that lost its socket has lost its memory too."""
ACK_EVERY = 20
LONGEST_POLL_MS = 500
MOST_FOUNDED = 60
"""After so many, each is ended, so that a list of conversations fits into one page."""
FOUNDING_SECONDS = 0.3


async def write(scene: Scene, device: Device, number: int) -> None:
    """Send one message after the other, each until it is known to be stored; now and then repeat one, or look."""
    draw = scene.fork()
    sent: list[tuple[str, str]] = []
    for count in itertools.count():
        if scene.ending:
            return
        conversation_id, name = draw.choice(scene.conversations), f"{number}-{count}"
        await _send(scene, device, conversation_id, name, f"body of {name}", draw)
        sent.append((conversation_id, name))
        if draw.random() < REPEATS:
            conversation_id, name = draw.choice(sent)
            body = f"body of {name}" if draw.random() < 0.5 else "another body"
            await _send(scene, device, conversation_id, name, body, draw)
        if draw.random() < READS_BACK:
            await device.record_messages(conversation_id, limit=20)
        await scene.rest(draw)


async def listen(scene: Scene, device: Device) -> None:
    """Listen, break off now and then, and come back whenever there is somebody to come back to."""
    draw = scene.fork()
    while True:
        await scene.up.wait()
        with contextlib.suppress(OSError, WebSocketException):
            async with device.listen(forget=draw.random() < FORGETS) as socket:
                for count in range(ACK_EVERY, draw.randrange(ACK_EVERY, 500), ACK_EVERY):
                    await socket.find_events(count)
                    await socket.ack()
                socket.drop()
        await scene.wait_to_retry(draw)


async def poll(scene: Scene, device: Device) -> None:
    """Read the stream by polling, from its beginning on."""
    draw = scene.fork()
    scene.cursors[device.name] = "0-00000000"
    device.begin_polling("0-00000000")
    while not scene.ending:
        page = await device.record_page(scene.cursors[device.name], wait_ms=draw.randrange(LONGEST_POLL_MS))
        if page.outcome == "ok":
            scene.cursors[device.name] = page.answer["cursor"]
        else:
            await scene.wait_to_retry(draw)


async def finish_polling(scene: Scene, device: Device) -> None:
    """Read the rest of the stream."""
    while True:
        page = await device.record_page(scene.cursors[device.name])
        assert page.outcome == "ok", page.code
        scene.cursors[device.name] = page.answer["cursor"]
        if not page.answer["hasMore"]:
            device.recorder.note(Drained(device.polling_name, device.recorder.now))
            return


async def invite_and_remove(scene: Scene) -> None:
    """A guest is invited and removed again and again; he also leaves by himself."""
    draw = scene.fork()
    owner, guest = scene.devices[0], scene.guest
    while not scene.ending:
        await scene.up.wait()
        conversation_id = draw.choice(scene.conversations)
        await owner.record_add(conversation_id, guest.user)
        await guest.record_messages(conversation_id)
        await guest.record_send(conversation_id, f"guest-{draw.random()}".replace(".", "-"), "Hello")
        by = draw.choice((owner, guest))
        await by.record_remove(conversation_id, guest.user)
        await guest.record_messages(conversation_id)
        await guest.record_conversations()
        await scene.rest(draw)


async def read(scene: Scene) -> None:
    """Move markers, list, and read pages."""
    draw = scene.fork()
    while not scene.ending:
        await scene.up.wait()
        device, conversation_id = draw.choice(scene.devices), draw.choice(scene.conversations)
        page = await device.record_messages(conversation_id, limit=10)
        if page.result.seqs:
            await device.record_read(conversation_id, draw.choice(page.result.seqs))
        await device.record_conversations()
        await scene.rest(draw)


async def edit(scene: Scene) -> None:
    """Edit and delete what was sent last."""
    draw = scene.fork()
    while not scene.ending:
        await scene.up.wait()
        device, conversation_id = draw.choice(scene.devices), draw.choice(scene.conversations)
        page = await device.record_messages(conversation_id, limit=20)
        own = [each for each in page.answer.get("messages", ()) if each["senderId"] == device.user]
        if own:
            message_id = draw.choice(own)["id"]
            await device.record_edit(conversation_id, message_id, f"edited {draw.random()}")
            await device.record_messages(conversation_id, limit=20)
            if draw.random() < 0.3:
                await device.record_delete(conversation_id, message_id)
        await scene.rest(draw)


async def found(scene: Scene) -> None:
    """Found a conversation, exactly once whatever happens; talk a little in it, change it, and end it."""
    draw = scene.fork()
    for number in itertools.count():
        await asyncio.sleep(FOUNDING_SECONDS)
        if scene.ending:
            return
        founder, other = draw.sample(scene.devices, 2)
        members = {other.user: "member", scene.guest.user: "observer"}
        created = await _create(scene, founder, members, f"group-{number}", draw)
        conversation_id = created.result.conversation_id
        await other.record_messages(conversation_id)
        await other.record_send(conversation_id, f"first-{number}", "Hello")
        version = created.answer["conversation"]["version"]
        patched = await founder.record_patch(conversation_id, {"title": f"Group {number}"}, version=version)
        if patched.outcome == "ok" and (number > MOST_FOUNDED or draw.random() < 0.5):
            version = patched.answer["conversation"]["version"]
            await founder.record_destroy(conversation_id, version=version)
            await scene.guest.record_conversations()


async def _send(scene: Scene, device: Device, conversation_id: str, name: str, body: str, draw: random.Random) -> None:
    while True:
        sent = await device.record_send(conversation_id, name, body, by_socket=draw.random() < BY_SOCKET)
        if not _is_unsettled(sent):
            if sent.outcome == "ok":
                scene.acknowledged.add()
            return
        await scene.wait_to_retry(draw)


async def _create(scene: Scene, device: Device, members: dict[str, str], key: str, draw: random.Random) -> Pending:
    while True:
        created = await device.record_create(members, key=key)
        if not _is_unsettled(created):
            assert created.outcome == "ok", created.code
            return created
        await scene.wait_to_retry(draw)


def _is_unsettled(pending: Pending) -> bool:
    return pending.outcome == "info" or (pending.outcome == "fail" and pending.code in RETRIED)
