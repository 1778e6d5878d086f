"""Connections that tell when bytes came, by the system's clock: what this process takes to notice is not in it."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TypeVar

_SO_TIMESTAMPNS = 35
"""Linux; Python has no name for it."""
_TIME = struct.Struct("qq")
_RECEIVED_BYTES = 65_536
_NANO = 1e-9
_P = TypeVar("_P", bound=asyncio.Protocol)


class StampedTransport(asyncio.Transport):
    """Reads for a protocol; ``came_at`` is when the last of the bytes came that the protocol was given."""

    def __init__(self, connection: socket.socket, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.came_at = 0.0
        self._connection = connection
        self._protocol = protocol
        asyncio.get_running_loop().add_reader(connection, self._read)

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        """Send at once; what is sent here is little."""
        assert self._connection.send(data) == len(data)

    def close(self) -> None:
        """Hang up."""
        asyncio.get_running_loop().remove_reader(self._connection)
        self._connection.close()

    def _read(self) -> None:
        data, told, _, _ = self._connection.recvmsg(_RECEIVED_BYTES, socket.CMSG_SPACE(_TIME.size))
        if data:
            seconds, nanos = _TIME.unpack(told[0][2])
            self.came_at = seconds + nanos * _NANO
            self._protocol.data_received(data)
        else:
            self.close()
            self._protocol.connection_lost(None)


async def connect_stamped(protocol: _P, port: int) -> tuple[StampedTransport, _P]:
    """Connect a protocol to this machine."""
    connection = socket.socket()
    connection.settimeout(0)
    connection.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    transport = StampedTransport(connection, protocol)
    protocol.connection_made(transport)
    return transport, protocol
