"""Records what comes over a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.protocol.client_session import Received, ReceivedEvent
from tests.fault import answers
from tests.fault.recorder import Call, Closed, Connected, Marked, Recorder, Result, Resynced

if TYPE_CHECKING:
    from tests.fault.device import Device


class Watch:
    """Records what comes over one socket that is about to be opened."""

    def __init__(self, device: Device, recorder: Recorder, *, asked: str | None) -> None:
        self._device = device
        self._recorder = recorder
        self._asked = asked
        self._hello = recorder.begin(device.name, device.user, Call("hello"))

    def received(self, message: str | bytes, frame: Received | None) -> None:
        """Record it as it came, also where the client makes nothing of it."""
        content = msgspec.json.decode(message)
        name, at = self._device.name, self._recorder.now
        match content["op"]:
            case "event":
                taken = isinstance(frame, ReceivedEvent)
                self._recorder.note(answers.delivered(name, at, content, taken=taken))
            case "welcome":
                cursor, resumed = content["cursor"], content["resumed"]
                self._recorder.note(Connected(name, self._device.user, at, cursor, self._asked, resumed))
            case "live":
                self._recorder.note(Marked(name, at, content["cursor"]))
                self._hello.done(Result(cursor=content["cursor"]))
                self._recorder.end(self._hello)
            case "ping" | "pong":
                self._recorder.note(Marked(name, at, content["cursor"]))
            case "error" if "id" not in content and self._hello.outcome == "info":
                self._hello.refused(content["problem"]["code"])
                self._recorder.end(self._hello)
            case "resync":
                self._recorder.note(Resynced(name, at, content["reason"], content["cursor"]))

    def closed(self, code: int) -> None:
        """Record the end."""
        self._recorder.note(Closed(self._device.name, self._recorder.now, code))
