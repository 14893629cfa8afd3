"""The catalogue: the documented codes, one for each status, and errors at registration."""

import copy
import json
import pickle
import re
from http import HTTPStatus
from typing import Any

import pytest
from werkzeug.http import HTTP_STATUS_CODES

from flask_apierrors import DEFAULT_CATALOG, APIErrors, Catalog, ErrorCode, UnknownErrorCode

# The codes of the document that this catalogue serves, with their statuses.
DOCUMENTED = {
    401: "unauthorized token_expired token_revoked",
    403: "forbidden insufficient_scope user_suspended user_locked client_disabled",
    404: "not_found user_not_found client_not_found organization_not_found role_not_found policy_not_found "
    "flow_not_found job_not_found",
    400: "invalid_request invalid_json flow_inactive job_cancelled",
    422: "validation_error invalid_email invalid_password import_failed",
    409: "conflict email_already_exists client_id_already_exists role_already_assigned",
    500: "internal_error job_failed export_failed database_error",
    503: "service_unavailable",
    504: "timeout",
    429: "rate_limit_exceeded",
}
STATUS_OF = {code: status for status, codes in DOCUMENTED.items() for code in codes.split()}


def test_the_35_documented_codes_have_their_status_and_a_user_message() -> None:
    assert len(STATUS_OF) == 35
    generic = ErrorCode("x", 400, "x").user_message
    for code, status in STATUS_OF.items():
        entry = DEFAULT_CATALOG[code]
        assert entry.status == status
        assert entry.user_message != generic
        assert entry.category in ("Authentication & Authorization", "Resource", "Validation") or entry.category in (
            "Conflict",
            "State",
            "Job",
            "System",
        )


def test_every_error_status_that_werkzeug_knows_has_a_code() -> None:
    standing = {}
    for status in HTTP_STATUS_CODES:
        if status >= 400:
            entry = DEFAULT_CATALOG.for_status(status)
            assert entry.status == status
            assert DEFAULT_CATALOG[entry.code] is entry
            standing[status] = entry.code
    assert {
        405: "method_not_allowed",
        413: "payload_too_large",
        415: "unsupported_media_type",
    }.items() <= standing.items()
    assert {400: "invalid_request", 401: "unauthorized", 403: "forbidden", 404: "not_found"}.items() <= standing.items()
    assert {409: "conflict", 422: "validation_error", 429: "rate_limit_exceeded"}.items() <= standing.items()
    assert {500: "internal_error", 503: "service_unavailable", 504: "timeout"}.items() <= standing.items()


def test_descriptions_are_legal_in_a_header() -> None:
    legal = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+")
    assert all(legal.fullmatch(entry.description) for entry in DEFAULT_CATALOG.values())


def test_levels_follow_the_status() -> None:
    levels = {entry.code: entry.log_level for entry in DEFAULT_CATALOG.values()}
    for code, level in levels.items():
        status = DEFAULT_CATALOG[code].status
        assert level == ("error" if status >= 500 else "warning" if status in (401, 403, 429) else "info")


def test_what_may_succeed_later_is_retryable() -> None:
    retryable = {code for code in STATUS_OF if DEFAULT_CATALOG[code].retryable}
    assert retryable == {"internal_error", "database_error", "service_unavailable", "timeout", "rate_limit_exceeded"}


def test_the_catalogue_is_an_immutable_mapping() -> None:
    with pytest.raises(TypeError):
        DEFAULT_CATALOG["x"] = DEFAULT_CATALOG["conflict"]  # type: ignore[index]
    more = DEFAULT_CATALOG.add(ErrorCode("out_of_stock", 409, "Out of stock"))
    assert "out_of_stock" in more
    assert "out_of_stock" not in DEFAULT_CATALOG
    assert len(more) == len(DEFAULT_CATALOG) + 1 == len(list(more))
    assert DEFAULT_CATALOG.get("x") is None
    assert DEFAULT_CATALOG.get([], 3) == 3
    assert repr(more) == f"<Catalog of {len(more)} error codes>"
    for missing in ("x", []):
        with pytest.raises(KeyError):
            DEFAULT_CATALOG[missing]  # type: ignore[index]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"code": "Not A Code"}, "lower-case words"),
        ({"code": ""}, "lower-case words"),
        ({"code": 404}, "lower-case words"),
        ({"code": "x" * 101}, "100 characters"),
        ({"status": 200}, "from 400 to 599"),
        ({"status": "404"}, "from 400 to 599"),
        ({"status": True}, "from 400 to 599"),
        ({"description": 'says "no"'}, "RFC 6749"),
        ({"description": ""}, "RFC 6749"),
        ({"description": None}, "RFC 6749"),
        ({"summary": 1}, "summary 1 is not text"),
        ({"retryable": "yes"}, "retryable 'yes'"),
        ({"log_level": "loud"}, "debug, info, warning, error, critical"),
    ],
)
def test_a_malformed_entry_is_refused_when_it_is_registered(part: dict[str, Any], message: str) -> None:
    parts: dict[str, Any] = {"code": "out_of_stock", "status": 409, "description": "Out of stock", **part}
    with pytest.raises(ValueError, match=message):
        APIErrors().register(**parts)


def test_registering() -> None:
    errors = APIErrors()
    assert errors.register("loud", 400, "Loud", log_level="critical").log_level == "critical"
    entry = errors.register("out_of_stock", HTTPStatus.CONFLICT, "Out of stock", retryable=True)
    assert errors.catalog["out_of_stock"] is entry
    assert (entry.status, entry.summary, entry.retryable, entry.log_level) == (409, "Out of stock", True, "info")
    assert json.dumps(entry.status) == "409"
    with pytest.raises(ValueError, match="in the catalogue already"):
        errors.register("out_of_stock", 409, "Again")
    with pytest.raises(TypeError):
        errors.register("other", 409, "Other", colour="red")
    assert "out_of_stock" not in APIErrors().catalog


def test_a_catalogue_of_ones_own() -> None:
    needed = (DEFAULT_CATALOG[code] for code in ("internal_error", "invalid_request", "invalid_json"))
    own = Catalog([*needed, ErrorCode("validation_error", 400, "Look again")])
    assert APIErrors(catalog=own).catalog is own
    assert own.for_status(404).code == "http_404"
    assert own.for_status(599).description == "Server error"
    with pytest.raises(ValueError, match="lacks internal_error, invalid_request, invalid_json, validation_error"):
        Catalog([])
    with pytest.raises(ValueError, match="ErrorCode entries"):
        Catalog(["not_found"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"flask_apierrors\.Catalog"):
        APIErrors(catalog={})  # type: ignore[arg-type]


def test_an_unknown_code_names_its_neighbours() -> None:
    with pytest.raises(UnknownErrorCode, match="did you mean 'user_not_found'") as caught:
        DEFAULT_CATALOG.find("user_not_fund")
    assert isinstance(caught.value, LookupError)
    assert caught.value.code == "user_not_fund"
    assert caught.value.nearest[0] == "user_not_found"
    for twin in (copy.copy(caught.value), pickle.loads(pickle.dumps(caught.value))):
        assert str(twin) == str(caught.value)
    with pytest.raises(UnknownErrorCode, match="register it first"):
        DEFAULT_CATALOG.find("zzzzzzzz")
    for status in (200, 600, True, 3.5, None):
        with pytest.raises(UnknownErrorCode):
            DEFAULT_CATALOG.find(status)  # type: ignore[arg-type]
