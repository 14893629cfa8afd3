"""Mapping, registering, the signal, and what init_app does to an app."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from flask import Flask, got_request_exception
from loglines import Lines

import flask_apierrors
from flask_apierrors import APIError, APIErrors, Report, UnknownErrorCode, abort, error_handled

Envelope = Callable[..., SimpleNamespace]
MakeApp = Callable[..., Flask]


class OutOfStockError(Exception):
    pass


class OutOfBooksError(OutOfStockError):
    pass


def test_the_exported_names_are_there() -> None:
    assert sorted(flask_apierrors.__all__, key=str.lower) == sorted(set(flask_apierrors.__all__), key=str.lower)
    for name in flask_apierrors.__all__:
        assert getattr(flask_apierrors, name).__module__.startswith("flask_apierrors") or name in (
            "DEFAULT_CATALOG",
            "error_handled",
        )


def test_importing_changes_nothing_global_and_loads_no_extra() -> None:
    script = (
        "import logging, sys, structlog; before = logging.root.handlers[:], logging.root.level\n"
        "import flask_apierrors, flask\n"
        "app = flask.Flask('x'); flask_apierrors.APIErrors(app)\n"
        "assert before == (logging.root.handlers, logging.root.level)\n"
        "assert not structlog.is_configured()\n"
        "assert not {'sqlalchemy', 'jwt', 'gunicorn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_a_mapped_exception_is_its_code_and_carries_its_traceback(make_app: MakeApp, envelope: Envelope) -> None:
    def view() -> Any:
        raise OutOfBooksError("secret text")

    errors = APIErrors()
    errors.map(OutOfStockError, "conflict")
    response = make_app(view, extension=errors).test_client().get("/")
    error = envelope(response, 409, "conflict")
    assert error.body == {"error": "conflict", "error_description": "Resource conflict"}
    assert error.line["exception"].endswith("OutOfBooksError: secret text")


def test_of_several_mapped_types_the_most_specific_wins(make_app: MakeApp, envelope: Envelope) -> None:
    errors = APIErrors()
    app = make_app(lambda: app.config["RAISE"](), extension=errors)
    errors.map(OutOfStockError, "conflict")

    @errors.map(OutOfBooksError)
    def on_books(exc: OutOfBooksError) -> APIError:
        return APIError("service_unavailable", "Come back tomorrow", retry_after=86400, books=exc.args[0])

    def fail(exc: Exception) -> Callable[[], Any]:
        def view() -> Any:
            raise exc

        return view

    app.config["RAISE"] = fail(OutOfBooksError(3))
    error = envelope(app.test_client().get("/"), 503, "service_unavailable")
    assert (error.body["retry_after"], error.line["books"]) == (86400, 3)
    assert "OutOfBooksError" in error.line["exception"]
    app.config["RAISE"] = fail(OutOfStockError())
    envelope(app.test_client().get("/"), 409, "conflict")


@pytest.mark.parametrize("result", [None, "conflict", lambda exc: 1 / 0], ids=repr)
def test_a_mapping_that_returns_nonsense_is_a_crash_that_the_log_explains(
    make_app: MakeApp, envelope: Envelope, result: Any
) -> None:
    def view() -> Any:
        raise OutOfStockError("the reason")

    errors = APIErrors()
    errors.map(OutOfStockError)(result if callable(result) else lambda exc: result)
    error = envelope(make_app(view, extension=errors).test_client().get("/"), 500, "internal_error")
    assert error.line["exception"].endswith("OutOfStockError: the reason")
    assert error.line["faults"][0].startswith("mapping: ")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((Exception, "conflict"), TypeError, "crashes are internal_error"),
        ((BaseException, "conflict"), TypeError, "not a subclass of Exception"),
        (("KeyError", "conflict"), TypeError, "not a subclass of Exception"),
        ((OutOfStockError, 404), TypeError, "404 is not an error code"),
        ((OutOfStockError, "conflickt"), UnknownErrorCode, "'conflict'"),
        ((KeyError, "not_found"), ValueError, "mapped already"),
    ],
)
def test_a_bad_mapping_is_refused_at_once(arguments: Any, error: type[Exception], message: str) -> None:
    errors = APIErrors()
    errors.map(KeyError, "not_found")
    with pytest.raises(error, match=message):
        errors.map(*arguments)


def test_a_mapping_that_comes_too_late_is_not_half_made(make_app: MakeApp) -> None:
    errors = APIErrors()
    app = make_app(lambda: "ok", extension=errors)
    app.test_client().get("/")
    for _ in range(2):
        with pytest.raises(AssertionError, match="can no longer be called"):
            errors.map(OutOfStockError, "conflict")


def test_init_app_twice_adds_nothing_and_another_extension_is_refused(make_app: MakeApp, envelope: Envelope) -> None:
    errors = APIErrors()
    app = make_app(lambda: abort("conflict"), extension=errors)
    hooks = len(app.after_request_funcs[None])
    errors.init_app(app)
    assert len(app.after_request_funcs[None]) == hooks
    envelope(app.test_client().get("/"), 409, "conflict")
    with pytest.raises(RuntimeError, match="another APIErrors"):
        APIErrors(app)


def test_the_signal_is_sent_once_with_the_report_and_may_fail(
    make_app: MakeApp, envelope: Envelope, lines: Lines
) -> None:
    seen: list[tuple[Any, Report, str]] = []

    def receive(sender: Flask, report: Report, request_id: str, **extra: Any) -> None:
        seen.append((sender, report, request_id))
        raise RuntimeError("the receiver is broken")

    app = make_app(lambda: abort("token_expired", details={"a": "b"}))
    with error_handled.connected_to(receive, app):
        error = envelope(app.test_client().get("/"), 401, "token_expired")
    ((sender, report, request_id),) = seen
    assert sender is app
    assert (report.error_code, report.status, report.details) == ("token_expired", 401, (("a", "b"),))
    assert request_id == error.headers["X-Request-ID"]
    (other,) = [line for line in lines.all() if line["event"] != "api_error"]
    assert "error_handled failed" in other["event"]


def test_a_failing_receiver_of_flasks_signal_does_not_change_the_guards_answer(
    make_app: MakeApp, envelope: Envelope, lines: Lines
) -> None:
    def receive(sender: Flask, exception: BaseException, **extra: Any) -> None:
        raise RuntimeError("the receiver is broken")

    def prepare(app: Flask) -> None:
        @app.teardown_request
        def teardown(exc: BaseException | None) -> None:
            raise OSError("teardown")

    app = make_app(lambda: "lost", prepare=prepare)
    with got_request_exception.connected_to(receive, app):
        envelope(app.test_client().get("/"), 500, "internal_error")
    assert any("got_request_exception failed" in line["event"] for line in lines.all())


def test_an_api_error_says_what_it_is_and_survives_copies() -> None:
    error = APIError("user_not_found", details={"id": "x"}, user_id=3)
    assert (str(error), repr(error)) == ("user_not_found: User not found", "<APIError 404 'user_not_found'>")
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (twin.error_code, twin.code, twin.details, twin.context) == (
            "user_not_found",
            404,
            {"id": "x"},
            {"user_id": 3},
        )


def test_a_subclass_sets_its_code_on_the_class() -> None:
    class Missing(APIError):
        error_code = "user_not_found"
        description = "Nobody of that name"

    class Gone(APIError):
        code = 410

    class Gated(APIError):
        error_code = "forbidden"
        code = 451

    assert (Gated().code, APIError("forbidden").code) == (451, 403)
    assert (Missing(a=1).code, Missing().description) == (404, "Nobody of that name")
    assert Gone().error_code == "gone"
    with pytest.raises(TypeError, match="APIError needs an error code"):
        APIError()


def test_a_subclass_without_init_has_the_code_of_its_status(make_app: MakeApp, envelope: Envelope) -> None:
    class Gone(APIError):
        code = 410

        def __init__(self) -> None:
            pass

    class Legal(APIError):
        code = 451
        error_code = "forbidden"

    class Lost(APIError):
        def __init__(self) -> None:
            self.code = 404
            self.error_code = "no_such_code"

    def view() -> Any:
        raise app.config["ERROR"]()

    app = make_app(view)
    app.config["ERROR"] = Gone
    envelope(app.test_client().get("/"), 410, "gone")
    app.config["ERROR"] = Legal
    envelope(app.test_client().get("/"), 451, "forbidden")
    app.config["ERROR"] = Lost
    error = envelope(app.test_client().get("/"), 500, "internal_error")
    assert error.line["faults"] == ["error_code: 'no_such_code' is not in the catalogue"]


def test_an_error_of_an_app_without_the_extension_is_flasks() -> None:
    app = Flask(__name__)

    @app.get("/")
    def view() -> Any:
        return APIError("user_not_found", headers={"X-A": "b"})

    response = app.test_client().get("/")
    assert (response.status_code, response.mimetype, response.headers["X-A"]) == (404, "text/html", "b")


def test_the_last_rungs_of_the_ladder(make_app: MakeApp, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """No input is known to get here; memory that runs out would."""

    def fail(*args: Any) -> Any:
        raise MemoryError

    app = make_app(lambda: abort("conflict"), APIERRORS_DEBUG=True)
    monkeypatch.setattr("flask_apierrors.handler.render", fail)
    monkeypatch.setattr("flask_apierrors.handler.debug_member", fail)
    response = app.test_client().get("/", headers={"X-Debug": "true"})
    assert response.status_code == 409
    assert response.json == {
        "error": "internal_error",
        "error_description": "An internal error occurred. Please try again later.",
    }
    (line,) = lines.errors()
    assert [fault.split(" at ")[0] for fault in line["faults"]] == ["debug: MemoryError", "render: MemoryError"]
    monkeypatch.setattr("flask_apierrors.handler.emit", fail)
    assert app.test_client().get("/").status_code == 409
    assert "could not log the error" in lines.all()[-1]["event"]
    monkeypatch.setattr("flask_apierrors.handler.convert", fail)
    assert app.test_client().get("/").status_code == 500


def test_a_custom_log_exception_is_kept(make_app: MakeApp, envelope: Envelope) -> None:
    class Reporting(Flask):
        seen: ClassVar[list[Any]] = []

        def log_exception(self, *args: Any) -> None:
            self.seen.append(args[-1][1])

    error = ZeroDivisionError()

    def view() -> Any:
        raise error

    envelope(make_app(view, flask_class=Reporting).test_client().get("/"), 500, "internal_error")
    assert Reporting.seen == [error]


def test_log_exception_outside_a_request_of_the_guard_writes_at_once(make_app: MakeApp, lines: Lines) -> None:
    app = make_app(lambda: "ok")
    with app.test_request_context("/"):
        try:
            raise OSError("by hand")
        except OSError as exc:
            app.log_exception((OSError, exc, exc.__traceback__))
    (line,) = lines.all()
    assert line["event"] == "Exception on / [GET]"
    assert line["exception"].endswith("OSError: by hand")


def test_a_handler_for_a_status_is_asked_for_an_api_error_of_it_outside_the_prefixes_too(
    make_app: MakeApp, lines: Lines
) -> None:
    def prepare(app: Flask) -> None:
        for status in (404, 500):
            app.register_error_handler(status, lambda exc: (f"page of {type(exc).__name__}", exc.code))

    app = make_app(lambda: abort(app.config["CODE"]), prepare=prepare, APIERRORS_URL_PREFIXES=["/api"])
    app.add_url_rule("/api/", view_func=app.view_functions["view"])
    for code, page, status in [("user_not_found", "page of APIError", 404), ("database_error", "Database error", 500)]:
        app.config["CODE"] = code
        response = app.test_client().get("/")
        assert response.status_code == status
        assert page in response.text
    assert app.test_client().get("/api/").json == {"error": "database_error", "error_description": "Database error"}
    assert [line["error_code"] for line in lines.errors()] == ["database_error"]
