"""The configuration: one field per `APIERRORS_` key with its default and its check, frozen at `init_app`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from flask_apierrors.catalog import LEVELS, Catalog, nearest

PREFIX = "APIERRORS_"

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_REALM = re.compile(r"[\x20\x21\x23-\x5B\x5D-\x7E]+")

Check = Callable[[Any], str]


def _boolean(value: Any) -> str:
    return "" if isinstance(value, bool) else "True or False"


def _boolean_or_none(value: Any) -> str:
    return "" if value is None or isinstance(value, bool) else "True, False or None (as app.debug)"


def _positive(value: Any) -> str:
    return "" if type(value) is int and value > 0 else "a whole number above 0"


def _header_name(value: Any) -> str:
    ok = isinstance(value, str) and _HEADER_NAME.fullmatch(value)
    return "" if ok else "the name of an HTTP header, such as 'X-Request-ID'"


def _realm(value: Any) -> str:
    ok = isinstance(value, str) and _REALM.fullmatch(value)
    return "" if ok else "printable ASCII text without double quote and backslash"


def _secret(value: Any) -> str:
    ok = value is None or (isinstance(value, (str, bytes)) and len(value) >= 16)
    return "" if ok else "None, or text or bytes of 16 or more characters"


def _prefixes(value: Any) -> str:
    ok = value is None or (
        isinstance(value, (list, tuple)) and value and all(isinstance(v, str) and v.startswith("/") for v in value)
    )
    return "" if ok else "None (everywhere), or a list of URL paths that begin with '/', such as ['/api']"


def _levels(value: Any) -> str:
    ok = isinstance(value, Mapping) and all(level in LEVELS for level in value.values())
    return "" if ok else f"a mapping of error codes, statuses or ranges such as '4xx' to {', '.join(LEVELS)}"


def _setting(default: Any, check: Check, meaning: str) -> Any:
    kind = "default_factory" if callable(default) else "default"
    return field(**{kind: default}, metadata={"check": check, "meaning": meaning})


class ConfigurationError(ValueError):
    """A configuration value that cannot be used; the message names the key, the value and what is accepted."""


@dataclass(frozen=True)
class Settings:
    """What an app's config said of the extension when `init_app` ran."""

    url_prefixes: tuple[str, ...] | None = _setting(
        None,
        _prefixes,
        "URL paths under which errors get the envelope; elsewhere Flask answers as it would alone, "
        "with the request id. None: everywhere.",
    )
    request_id_header: str = _setting(
        "X-Request-ID", _header_name, "The header that carries the request id in and out."
    )
    trust_request_id: bool = _setting(
        True, _boolean, "Whether a well-formed id that the client or proxy sent is used; else a new one is made."
    )
    request_id_in_body: bool = _setting(False, _boolean, "Whether the envelope has `request_id`.")
    log_levels: Mapping[str | int, str] = _setting(
        dict,
        _levels,
        "Levels of events by error code, by status (404) or by range ('4xx'), in this order, "
        "before the level of the catalogue's entry.",
    )
    max_details: int = _setting(
        100, _positive, "How many field paths `details` has at most; what is left out is counted under `_schema`."
    )
    max_text: int = _setting(
        1000, _positive, "How many characters a description, a detail's text or a detail's path has at most."
    )
    realm: str = _setting("api", _realm, "The realm of the challenge that a 401 carries (RFC 9110 section 11.5).")
    debug: bool | None = _setting(
        None, _boolean_or_none, "Whether `X-Debug: true` adds `debug` to the envelope. None: where `app.debug` is on."
    )
    debug_secret: str | bytes | None = _setting(
        None, _secret, "The key of signed debug tokens, of 16 or more characters. None: no token is valid."
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any], catalog: Catalog) -> Settings:
        """Check and freeze the keys of a Flask config that begin with `APIERRORS_`.

        Raises:
            ConfigurationError: a key is unknown or its value is not accepted.
        """
        known = {PREFIX + f.name.upper(): f for f in fields(cls)}
        given: dict[str, Any] = {}
        for key in [key for key in config if isinstance(key, str) and key.startswith(PREFIX)]:
            if key not in known:
                near = [PREFIX + name for name in nearest(key[len(PREFIX) :], [name[len(PREFIX) :] for name in known])]
                hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"
                raise ConfigurationError(f"{key} is not a known configuration key; {hint}")
            value = config[key]
            accepted = known[key].metadata["check"](value)
            if accepted:
                shown = "a value that is not shown" if key.endswith("_SECRET") else repr(value)
                raise ConfigurationError(f"{key} is {shown}; accepted is {accepted}")
            given[known[key].name] = value
        if given.get("url_prefixes") is not None:
            given["url_prefixes"] = tuple(prefix.rstrip("/") for prefix in given["url_prefixes"])
        if "log_levels" in given:
            given["log_levels"] = _check_levels(given["log_levels"], catalog)
        return cls(**given)

    @cached_property
    def inbound_key(self) -> str:
        """The key of the inbound request id in a WSGI environ (PEP 3333); empty, as no key is, if it is not trusted."""
        return "HTTP_" + self.request_id_header.upper().replace("-", "_") if self.trust_request_id else ""

    def applies_to(self, path: str) -> bool:
        """Whether errors under this URL path get the envelope."""
        if self.url_prefixes is None:
            return True
        return any(path == prefix or path.startswith(prefix + "/") for prefix in self.url_prefixes)


def _check_levels(levels: Mapping[str | int, str], catalog: Catalog) -> dict[str | int, str]:
    for key in levels:
        if key in ("4xx", "5xx") or (type(key) is int and 400 <= key <= 599) or key in catalog:
            continue
        near = nearest(str(key), catalog)
        hint = f"did you mean {' or '.join(map(repr, near))}? (" if near else "("
        raise ConfigurationError(
            f"{PREFIX}LOG_LEVELS has the key {key!r}; {hint}accepted are registered error codes, "
            "statuses from 400 to 599, '4xx' and '5xx')"
        )
    return dict(levels)
