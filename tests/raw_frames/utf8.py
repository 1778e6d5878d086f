"""6: what is UTF-8, and what is not.

A text is refused with the first piece that is none, as soon as that has come; RFC 6455 would let it wait for the last.
"""

from __future__ import annotations

from tests.raw_frames.row import (
    BAD_FRAME,
    NOT_UTF8,
    begun,
    closes,
    cut,
    frame,
    lives,
    more,
    pieces,
    question,
    row,
    text,
)
from tests.raw_socket import BINARY, PING

_GREEK = "κόσμε"
_VALID = {
    "two, three and four bytes": "ö€𝄞",
    "the first of each length": "\x80\u0800\U00010000",
    "the last of each length": "\x7f\u07ff\uffff\U0010ffff",
    "about the surrogates": "\ud7ff\ue000",
    "noncharacters": "\ufdd0\ufdef\ufffe\U0001fffe\U0010ffff",
    "specials": "\ufff9\ufffb\ufffd",
    "a byte order mark within": "a\ufeffb",
    "combined, to the left, out of the plane": "e\u0301\u05e9\u05dc\u05d5\u05dd🤷🏽\u200d♀️",
}
_INVALID = {
    "a continuation alone": b"\x80",
    "continuations alone": b"\xbf" * 6,
    "a lead of two bytes alone": b"\xc3",
    "a lead of two bytes, and a letter": b"\xc3a",
    "a lead of three bytes alone": b"\xe2",
    "three bytes without the last": b"\xe2\x82",
    "four bytes without the last": b"\xf0\x9d\x84",
    "two of them without the last": b"\xe2\x82\xe2\x82",
    "a continuation too many": b"\xc3\xb6\xb6",
    "fe": b"\xfe",
    "ff": b"\xff",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "an overlong slash in two bytes": b"\xc0\xaf",
    "an overlong slash in three bytes": b"\xe0\x80\xaf",
    "an overlong slash in four bytes": b"\xf0\x80\x80\xaf",
    "the greatest overlong in two bytes": b"\xc1\xbf",
    "the greatest overlong in three bytes": b"\xe0\x9f\xbf",
    "the greatest overlong in four bytes": b"\xf0\x8f\xbf\xbf",
    "an overlong nul": b"\xc0\x80",
    "the first surrogate": b"\xed\xa0\x80",
    "the last surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "above 10ffff": b"\xf4\x90\x80\x80",
    "a lead of what is above": b"\xf5\x80\x80\x80",
}
_QUESTION = question(_GREEK)
_BROKEN = question(b"\xce\xba\xed\xa0\x80")

VALID = (
    *(
        row(f"6.1.{at}", title, text(question(said)), lives(f"ok {said}"))
        for at, (title, said) in enumerate(_VALID.items(), 1)
    ),
    row("6.2.1", "cut within letters", pieces(*cut(_QUESTION, 5)), lives(f"ok {_GREEK}")),
    row("6.2.2", "cut at every byte", pieces(*cut(_QUESTION, 1)), lives(f"ok {_GREEK}")),
    row(
        "6.2.3",
        "pings within letters",
        pieces(*cut(_QUESTION, 9), between=frame(PING)),
        lives(b"", b"", b"", f"ok {_GREEK}"),
    ),
    row("6.2.4", "an empty piece within a letter", pieces(question("ö")[:19], b"", question("ö")[19:]), lives("ok ö")),
    row("6.2.5", "a text that is none behind a letter", pieces(b"\xf0\x9d", b"\x84\x9e"), closes(BAD_FRAME)),
)

INVALID = (
    *(
        row(f"6.3.{at}", title, text(question(said)), closes(NOT_UTF8))
        for at, (title, said) in enumerate(_INVALID.items(), 1)
    ),
    row("6.4.1", "at the start", text(b"\xff" + _QUESTION), closes(NOT_UTF8)),
    row("6.4.2", "at the end", text(_QUESTION + b"\xff"), closes(NOT_UTF8)),
    row("6.4.3", "a letter without its end at the end", text(_QUESTION + b"\xf0\x9d\x84"), closes(NOT_UTF8)),
    row("6.4.4", "alone", text(b"\xff"), closes(NOT_UTF8)),
    row("6.4.5", "in the first of two pieces", pieces(_BROKEN[:24], _BROKEN[24:]), closes(NOT_UTF8)),
    row("6.4.6", "in a piece that is not the last", begun(b"\xff"), closes(NOT_UTF8)),
    row("6.4.7", "at every byte a piece", pieces(*cut(_BROKEN, 1)), closes(NOT_UTF8)),
    row(
        "6.4.8",
        "a letter that the last piece does not end",
        begun(b"\xf0\x9d") + more(b"\x84", fin=True),
        closes(NOT_UTF8),
    ),
    row("6.4.9", "a letter that a piece breaks off", pieces(b"\xf0\x9d", b"a"), closes(NOT_UTF8)),
    row("6.4.10", "nothing is taken behind it", text(b"\xff") + frame(PING) + text(_QUESTION), closes(NOT_UTF8)),
    row("6.4.11", "nothing is looked at in a binary message", frame(BINARY, b"\xff"), closes(1_003)),
)

UTF8 = VALID + INVALID
