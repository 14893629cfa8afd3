"""What holds for any input: the response is an envelope with the right status, the log has exactly one line."""

import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from loglines import Lines, strict_json
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from flask_apierrors import DEFAULT_CATALOG, APIError, APIErrors, abort, configure_logging

settings.register_profile("project", deadline=None, max_examples=150)
settings.load_profile("project")


class Rude:
    """Raises whatever is asked of it."""

    def __str__(self) -> str:
        raise ValueError("no text")

    def __repr__(self) -> str:
        raise ValueError("no text either")

    def __bool__(self) -> bool:
        raise ValueError("no truth")

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return self is other


class RudeError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


def cycle() -> list[Any]:
    result: list[Any] = []
    result.append({"again": result})
    return result


def huge() -> int:
    return 10**5000  # more digits than str() takes


def deep() -> list[Any]:
    result: list[Any] = ["bottom"]
    for _ in range(5000):
        result = [result]
    return result


# Lone surrogates, NUL and control characters are among them.
texts = st.text(st.characters(), max_size=40) | st.sampled_from(
    ["", ".", "\\", "a.b", "_schema", "\ud800", "\x00\n\x1b"]
)
scalars = (
    texts
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=20)
    | st.sampled_from([2**64, float("nan"), float("-inf"), object, 3j, range(3)])
    | st.builds(huge)
    | st.builds(object)
    | st.builds(Rude)
    | st.builds(cycle)
    | st.builds(deep)
)
keys = texts | st.integers() | st.binary(max_size=5) | st.tuples(texts, st.integers()) | st.none() | st.builds(Rude)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4)
        | st.tuples(inner, inner)
        | st.frozensets(st.integers() | texts, max_size=3)
    ),
    max_leaves=12,
)
contexts = st.dictionaries(texts, values, max_size=5).map(
    lambda context: {k: v for k, v in context.items() if k not in {"error", "description", "details", "retry_after"}}
)
codes = st.sampled_from(sorted(DEFAULT_CATALOG))


class Service:
    """An app whose one view raises what it is told to, and the log that it writes."""

    def __init__(self) -> None:
        self.lines = Lines()
        self.error: Callable[[], BaseException]
        app = Flask(__name__)
        app.config["APIERRORS_MAX_DETAILS"] = 20
        APIErrors(app)

        @app.get("/")
        def view() -> Any:
            raise self.error()

        self.client = app.test_client()

    def fails_with(self, error: Callable[[], BaseException], status: int, code: str) -> dict[str, Any]:
        """Check what must hold for any error."""
        self.lines.stream.seek(0)
        self.lines.stream.truncate()
        self.error = error
        response = self.client.get("/")
        assert response.status_code == status
        body = strict_json(response.data)
        assert body["error"] == code
        assert isinstance(body["error_description"], str)
        details = body.get("details", {})
        assert len(details) <= 21
        assert all(isinstance(text, str) for text in details.values())
        (line,) = self.lines.all()
        assert (line["event"], line["error_code"], line["status"]) == ("api_error", code, status)
        assert line["request_id"] == response.headers["X-Request-ID"]
        return line  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = Service()
    configure_logging(stream=service.lines.stream)
    yield service
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


@pytest.fixture(autouse=True)
def _logs_to_the_service(service: Service) -> None:
    configure_logging(stream=service.lines.stream)


@given(codes, values, values, contexts)
def test_an_api_error_of_any_parts(
    service: Service, code: str, description: Any, details: Any, context: dict[str, Any]
) -> None:
    def error() -> APIError:
        return APIError(code, description, details=details, **context)

    service.fails_with(error, DEFAULT_CATALOG[code].status, code)


@given(values, values)
def test_any_retry_after_and_headers(service: Service, retry_after: Any, headers: Any) -> None:
    def error() -> APIError:
        return APIError("rate_limit_exceeded", retry_after=retry_after, headers=headers)

    service.fails_with(error, 429, "rate_limit_exceeded")


@given(st.lists(st.tuples(texts, texts | scalars), max_size=5))
def test_any_pairs_of_headers(service: Service, headers: list[tuple[str, Any]]) -> None:
    service.fails_with(lambda: APIError("conflict", headers=headers), 409, "conflict")


@given(values)
def test_a_validation_error_of_any_messages(service: Service, messages: Any) -> None:
    def error() -> BaseException:
        exc = ValidationError("replaced")
        exc.messages = messages
        return exc

    service.fails_with(error, 422, "validation_error")


@given(st.sampled_from([RuntimeError, KeyError, RudeError, OSError]), st.lists(values, max_size=3), values)
def test_a_crash_of_any_kind(service: Service, kind: type[Exception], arguments: list[Any], note: Any) -> None:
    def error() -> BaseException:
        exc = kind(*arguments)
        exc.__notes__ = [note]
        exc.__cause__ = kind(*arguments)
        return exc

    line = service.fails_with(error, 500, "internal_error")
    assert kind.__name__ in line["exception"]


@given(st.sampled_from([400, 401, 403, 404, 405, 409, 410, 418, 422, 429, 500, 503, 599]), values)
def test_an_http_exception_of_any_description(service: Service, status: int, description: Any) -> None:
    class Error(HTTPException):
        code = status

    code = DEFAULT_CATALOG.for_status(status).code
    service.fails_with(lambda: Error(description), status, code)


@given(texts, contexts)
def test_any_line_of_the_application_is_one_json_line(service: Service, event: str, fields: dict[str, Any]) -> None:
    stream = io.BytesIO()
    configure_logging(stream=stream)
    structlog.get_logger("app").bind(bound=1).info(event, **{f"x_{key}": value for key, value in fields.items()})
    logging.getLogger("lib").info("%s", event, extra={f"x_{key}": value for key, value in fields.items()})
    first, second = stream.getvalue().splitlines()
    assert strict_json(first)["logger"] == "app"
    assert strict_json(second)["logger"] == "lib"


@given(st.dictionaries(texts, st.recursive(texts, lambda inner: st.dictionaries(texts, inner, min_size=1)), max_size=4))
def test_paths_of_different_fields_never_meet(service: Service, errors: dict[str, Any]) -> None:
    def leaves(value: Any) -> int:
        return sum(map(leaves, value.values())) if isinstance(value, dict) else 1

    if "_schema" in errors or "" in errors or leaves(errors) > 20:
        return  # the paths of the whole input, and what is cut
    line = service.fails_with(lambda: APIError("validation_error", details=errors), 422, "validation_error")
    assert len(line.get("details", [])) == leaves(errors)


@given(st.text(max_size=200))
def test_any_inbound_id(service: Service, inbound: str) -> None:
    service.error = lambda: APIError("conflict")
    environ = {"HTTP_X_REQUEST_ID": inbound.encode("utf-8", "surrogatepass").decode("latin-1")}
    response = service.client.get("/", environ_overrides=environ)
    request_id = response.headers["X-Request-ID"]
    assert request_id == inbound or request_id.startswith("req_")
    assert request_id.isascii()
    assert request_id.isprintable()


def test_a_count_of_ten_thousand_is_cut_and_says_so(service: Service) -> None:
    errors = {str(number): ["Not a valid integer."] for number in range(10_000)}
    line = service.fails_with(lambda: ValidationError(errors), 422, "validation_error")
    assert len(line["details"]) == 21
    assert line["details"][-1] == {"path": "_schema", "message": "9980 more errors were left out."}


def test_what_cannot_be_asked_for_is_not_swallowed(service: Service) -> None:
    def error() -> APIError:
        abort("no_such_code")

    line = service.fails_with(error, 500, "internal_error")
    assert "'no_such_code' is not a known error code" in line["exception"]
