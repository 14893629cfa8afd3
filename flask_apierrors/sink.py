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

    __slots__ = ("_is_text", "_stream", "_target", "_target_of")

    def __init__(self, stream: IO[Any] | None = None) -> None:
        self._stream = stream
        self._target_of: object = None
        self._target: Any = None
        self._is_text = False

    def write(self, line: bytes) -> None:
        """Write one line; the line feed is added here."""
        try:
            stream = self._stream if self._stream is not None else sys.stdout
            if stream is not self._target_of:
                self._aim(stream)
            target = self._target
            target.write(line.decode() + "\n" if self._is_text else line + b"\n")
            target.flush()
        except Exception:
            try:
                sys.stderr.write(line.decode() + "\n")
            except Exception:  # nobody is left to tell
                return

    def _aim(self, stream: Any) -> None:
        # Under a text stream lies the binary one, which takes UTF-8 whatever the locale.
        target = getattr(stream, "buffer", stream)
        self._target_of, self._target, self._is_text = stream, target, isinstance(target, TextIOBase)
