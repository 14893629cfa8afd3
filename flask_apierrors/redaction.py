"""Taking secrets out of what is shown or logged: by the names of keys and by the look of values."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

#: What stands in a secret's place.
REDACTED = "REDACTED"

_SEPARATORS = re.compile(r"[^a-z0-9]+")
_SECRET_PARTS = re.compile(
    "passw|passphrase|secret|token|authorization|cookie|credential|signature|csrf|xsrf|apikey|accesskey|privatekey"
)
# Short names are secrets only as a whole: "shipping" has no PIN.
_SECRET_NAMES = {"auth", "cvc", "cvv", "jwt", "otp", "pass", "pin", "pwd", "session", "sessionid", "sid", "sig"}

# No pattern has nested or adjacent repetition of the same characters, so the time is linear in the text.
_VALUES = re.compile(
    r"""
      (?P<scheme>\b(?:bearer|basic|dpop)\s+)[A-Za-z0-9._~+/=-]{8,}
    | \beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*
    | (?P<url>\b[a-z][a-z0-9+.-]{1,20}://)[^\s/@:]{0,200}:[^\s/@]{1,500}@
    | (?P<header>\b(?:authorization|cookie)["']?\s{0,3}[=:]\s{0,3}["']?)[^\r\n"']{1,1000}
    | (?P<pair>(?:password|passwd|secret|token|api[_-]?key|authorization|cookie)[\w-]{0,40}["']?\s{0,3}[=:]
        \s{0,3}[\[({]{0,2})(?![\w.]{0,200}\()  # what calls a function is code, not a secret
      (?:"[^"\n]{0,1000}"|'[^'\n]{0,1000}'|[^\s,;&"'\)\]\}]{1,1000})
    | -----BEGIN\ [A-Z ]{0,40}PRIVATE\ KEY-----[A-Za-z0-9+/=\s]{0,10000}(?:-----END\ [A-Z ]{0,40}PRIVATE\ KEY-----)?
    """,
    re.VERBOSE | re.IGNORECASE,
)


# Every match of _VALUES contains one of these in lower case; most texts contain none, and to see that is cheap.
_HINTS = (
    "bearer",
    "basic",
    "dpop",
    "eyj",
    "://",
    "passw",
    "secret",
    "token",
    "api",
    "authorization",
    "cookie",
    "-----",
)


def _replacement(match: re.Match[str]) -> str:
    if match["url"]:
        return f"{match['url']}{REDACTED}@"
    return f"{match['scheme'] or match['header'] or match['pair'] or ''}{REDACTED}"


@lru_cache(maxsize=1024)
def is_secret_key(key: str) -> bool:
    """Whether a key names a secret; case and separators don't count."""
    name = _SEPARATORS.sub("", key.lower())
    return name in _SECRET_NAMES or _SECRET_PARTS.search(name) is not None


def redact_text(value: str) -> str:
    """Text with what looks like a secret replaced: tokens, URLs with credentials, `password=...`, private keys."""
    lower = value.lower()
    for hint in _HINTS:
        if hint in lower:
            return _VALUES.sub(_replacement, value)
    return value


def redact(value: Any) -> Any:
    """JSON-ready data (see `text.plain`) with the values of secret keys, and secrets inside texts, replaced."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {key: REDACTED if is_secret_key(key) else redact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item) for item in value]
    return value
