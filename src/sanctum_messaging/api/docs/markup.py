"""HTML whose text is always escaped."""

from __future__ import annotations

import re
from html import escape

_CODE = re.compile(r"`([^`]+)`")


class Markup(str):
    """HTML as it goes out; everything else is text and gets escaped on its way in."""

    __slots__ = ()

    def __add__(self, other: str) -> Markup:
        """Join markup with markup, or with text."""
        return Markup(str(self) + render(other))


def render(content: str) -> str:
    """Escape text; markup stays as it is."""
    return str(content) if isinstance(content, Markup) else escape(content)


def tag(name: str, content: str, style: str = "", **attributes: str) -> Markup:
    """Wrap content in an element; ``style`` is its class."""
    given = {**({"class": style} if style else {}), **attributes}
    written = "".join(f' {key}="{escape(value)}"' for key, value in given.items())
    return Markup(f"<{name}{written}>{render(content)}</{name}>")


def render_text(text: str) -> Markup:
    """Render paragraphs of prose; what stands in backticks is code."""
    paragraphs = [_CODE.sub(r"<code>\1</code>", escape(each.strip())) for each in text.split("\n\n")]
    return Markup("".join(f"<p>{each}</p>" for each in paragraphs if each))
