"""From bytes to a request or a frame: one decoder for HTTP and the socket, so that both refuse the same."""

from __future__ import annotations

import json
from typing import Generic, NoReturn, TypeVar

import msgspec

from sanctum_messaging.protocol.faults import find_faults
from sanctum_messaging.protocol.resources import FieldProblem

T = TypeVar("T", bound=msgspec.Struct)

_ESCAPED_NUL = b"\\u0000"


class NotJSONError(ValueError):
    """The bytes are no JSON document."""

    def __init__(self) -> None:
        """Always the same sentence; where the fault lies is left to the sender's own tools."""
        super().__init__("The bytes are no JSON document.")


class FieldFaultsError(ValueError):
    """The JSON is not what was asked for; ``faults`` names the fields."""

    def __init__(self, faults: list[FieldProblem]) -> None:
        """Keep the fields at fault."""
        super().__init__("Fields are at fault.")
        self.faults = faults

    @classmethod
    def of_field(cls, field: str, code: str) -> FieldFaultsError:
        """Refuse one field."""
        return cls([FieldProblem(field=field, code=code)])


class StrictDecoder(Generic[T]):
    """Decodes one type and names every fault; what it returns holds neither U+0000 nor a lone surrogate."""

    def __init__(self, wanted: type[T]) -> None:
        """Prepare for a type, once."""
        self._wanted = wanted
        self._decoder = msgspec.json.Decoder(wanted)

    def decode(self, raw: bytes) -> T:
        """Decode a document.

        Raises:
            NotJSONError: it is no JSON.
            FieldFaultsError: it is JSON of another form.
        """
        try:
            value = self._decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._explain(raw)
        if _ESCAPED_NUL in raw:
            self._check_texts(raw)
        return value

    def _explain(self, raw: bytes) -> NoReturn:
        """Find out what is wrong with what msgspec refused; a fault that only msgspec sees is one of the JSON."""
        faults = find_faults(self._wanted, parse_json(raw))
        raise FieldFaultsError(faults) if faults else NotJSONError

    def _check_texts(self, raw: bytes) -> None:
        """Refuse U+0000; the escape also occurs harmlessly, behind an escaped backslash."""
        faults = find_faults(self._wanted, parse_json(raw))
        if faults:
            raise FieldFaultsError(faults)


def parse_json(raw: bytes) -> object:
    r"""Parse JSON as the standard library does, which alone takes lone surrogates (``"\ud800"``) and so can find them.

    Raises:
        NotJSONError: it is no JSON, nested too deep, or holds a number that nobody needs.
    """
    try:
        return json.loads(raw.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise NotJSONError from None


def _refuse_constant(_name: str) -> NoReturn:
    """Refuse ``NaN`` and ``Infinity``, which Python takes and JSON does not know."""
    raise NotJSONError
