"""Text messages that came whole, each in one frame, as nearly all do: read at a quarter of a parser's price."""

from __future__ import annotations

try:
    from websockets.speedups import apply_mask
except ImportError:  # A build of websockets without its extension.
    from websockets.utils import apply_mask

_WHOLE_TEXT = 0x81
"""The first byte of a frame that is all of a text message, and has no reserved bit set."""
_MASKED = 0x80
_TWO_BYTES = 126
"""Says that the length is in the next two bytes; above that it would be in eight."""
_LEAST = 6
"""An empty frame with its mask."""


def read_texts(data: bytes) -> tuple[list[str], int]:
    """Read the messages that ``data`` begins with; return them, and where the rest begins.

    The rest begins with what is anything else, not whole, or no UTF-8: it is for the parser, which knows what to say.
    """
    texts: list[str] = []
    at = 0
    while len(data) - at >= _LEAST and data[at] == _WHOLE_TEXT:
        size, mask_at = data[at + 1] - _MASKED, at + 2
        if size == _TWO_BYTES:
            size, mask_at = int.from_bytes(data[at + 2 : at + 4]), at + 4
        elif not 0 <= size < _TWO_BYTES:
            break
        begin, end = mask_at + 4, mask_at + 4 + size
        if end > len(data):
            break
        try:
            texts.append(str(apply_mask(data[begin:end], data[mask_at:begin]), "utf-8"))
        except UnicodeDecodeError:
            break
        at = end
    return texts, at
