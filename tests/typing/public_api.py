"""Checked by mypy, not run: the types that users of the public names see."""

from flask import Flask, Response
from typing_extensions import assert_never, assert_type

from flask_apierrors import (
    DEFAULT_CATALOG,
    APIError,
    APIErrors,
    Catalog,
    ErrorCode,
    Report,
    abort,
    configure_logging,
    error_handled,
    get_request_id,
)

configure_logging("console", level="debug")
app = Flask(__name__)
errors = APIErrors(app, catalog=DEFAULT_CATALOG)
errors.init_app(app)

assert_type(errors.catalog, Catalog)
assert_type(errors.catalog["not_found"], ErrorCode)
assert_type(errors.catalog["not_found"].retryable, bool | None)
assert_type(errors.register("teapot", 418, "Short and stout", user_message="I am a teapot."), ErrorCode)
assert_type(get_request_id(), str | None)


class OutOfStockError(APIError):
    error_code = "conflict"


def view(user_id: int) -> Response:
    if user_id:
        raise OutOfStockError(item=user_id)
    abort("user_not_found", details={"id": ["unknown"]}, retry_after=3, headers={"A": "b"}, user_id=user_id)


def never_returns() -> None:
    assert_never(abort(404))


errors.map(KeyError, "not_found")


@errors.map(TimeoutError)
def on_timeout(exc: TimeoutError) -> APIError:
    return APIError("timeout", cause=exc)


assert_type(on_timeout(TimeoutError()), APIError)


def on_error(sender: Flask, report: Report, request_id: str | None, **extra: object) -> None:
    assert_type(report.error_code, str)
    assert_type(report.status, int)
    assert_type(report.details, tuple[tuple[str, str], ...])
    assert_type(report.retry_after, int | None)


error_handled.connect(on_error)
