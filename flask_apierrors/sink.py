"""Where log lines go: one write per line, to a stream that may be replaced, closed or broken."""

from __future__ import annotations

import sys
from io import TextIOBase
from typing import IO, Any


class Sink:
    """Writes whole lines to a text or binary stream, by default to whatever `sys.stdout` is at that moment.

    One `write` of bytes per line keeps lines whole where several processes share a file opened for append. Writing
    never raises: a line that the stream does not take is offered to standard error, and then let go.
    """

    __slots__ = ("_stream",)

    def __init__(self, stream: IO[Any] | None = None) -> None:
        self._stream = stream

    def write(self, line: bytes) -> None:
        """Write one line; the line feed is added here."""
        stream = self._stream if self._stream is not None else sys.stdout
        try:
            _write(stream, line + b"\n")
        except Exception:
            try:
                _write(sys.stderr, line + b"\n")
            except Exception:  # nobody is left to tell
                return


def _write(stream: Any, line: bytes) -> None:
    target = getattr(stream, "buffer", stream)  # under a text stream lies the binary one: UTF-8 whatever the locale
    if isinstance(target, TextIOBase):
        target.write(line.decode())
    else:
        target.write(line)
    target.flush()
