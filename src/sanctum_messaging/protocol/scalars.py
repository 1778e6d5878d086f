r"""The scalar types of the wire with their bounds, written once for frames, requests and the OpenAPI document.

Patterns are valid both in Python and in JSON Schema; ``$(?!\n)`` is there because Python's ``$`` also matches before a
final line feed.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

MAX_BODY_CHARACTERS = 8_000
MAX_METADATA_BYTES = 4_096
MAX_METADATA_DEPTH = 8
MAX_TITLE_CHARACTERS = 200
MAX_PARTICIPANTS_PER_CALL = 500

UserIdText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=r"^[^\u0000-\u001f\u007f-\u009f]+$(?!\n)",
        description="Any `sub` of the identity provider: 1-255 characters without controls.",
    ),
]
IdText = Annotated[str, Meta(max_length=64, description="An id that the service gave out (UUIDv7).")]
ClientMessageIdText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9_-]+$(?!\n)",
        description="Drawn by the client; unique per conversation and sender for the message's life.",
    ),
]
BodyText = Annotated[str, Meta(min_length=1, max_length=MAX_BODY_CHARACTERS, pattern=r"^[^\u0000]*$")]
TypeText = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[a-z][a-z0-9._-]*$(?!\n)")]
TitleText = Annotated[str, Meta(max_length=MAX_TITLE_CHARACTERS, pattern=r"^[^\u0000]*$")]
CursorText = Annotated[
    str,
    Meta(
        max_length=64,
        description="A stream cursor, opaque to the client.",
        extra_json_schema={"pattern": r"^(0|[1-9][0-9]{0,17})-[0-9a-f]{8}$(?!\n)"},
    ),
]
SeqNumber = Annotated[int, Meta(ge=0, le=2**53 - 1)]
POSITION_CURSOR_PATTERN = r"^p[0-9a-f]{1,15}$(?!\n)"
USER_CURSOR_PATTERN = r"^u([0-9a-f]{2}){1,1020}$(?!\n)"
PositionCursorText = Annotated[
    str,
    Meta(
        description="A page's `nextCursor`, opaque to the client.",
        extra_json_schema={"pattern": POSITION_CURSOR_PATTERN},
    ),
]
UserCursorText = Annotated[
    str,
    Meta(
        description="A page's `nextCursor`, opaque to the client.", extra_json_schema={"pattern": USER_CURSOR_PATTERN}
    ),
]
