"""The edge cases of the ground we stand on: what Flask, Werkzeug, marshmallow, structlog and Python do to an error."""

import builtins
import contextvars
import gc
import io
import json
import logging
import math
import re
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from http import HTTPStatus
from importlib.metadata import version
from typing import Any
from wsgiref.validate import validator

import flask
import pytest
import structlog
from flask import Blueprint, Flask, Response, g, got_request_exception, make_response, request, stream_with_context
from flask.sessions import SecureCookieSessionInterface
from marshmallow import Schema, ValidationError, fields
from werkzeug.exceptions import (
    Aborter,
    BadRequest,
    Conflict,
    Forbidden,
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
    SecurityError,
    default_exceptions,
)
from werkzeug.exceptions import abort as werkzeug_abort
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import BaseConverter
from werkzeug.test import Client

from flask_apierrors import APIError, APIErrors, abort, configure_logging, error_handled, get_request_id

FLASK = tuple(int(part) for part in version("flask").split(".")[:2])

CRASH = "An internal error occurred. Please try again later."
MADE = re.compile(r"req_[0-9a-z]{1,26}").fullmatch


def fails(exception: Callable[[], BaseException] | BaseException) -> Callable[..., Any]:
    """A function, usable as view, hook or handler, that raises."""

    def fail(*args: object, **kwargs: object) -> Any:
        raise exception if isinstance(exception, BaseException) else exception()

    return fail


def boom() -> RuntimeError:
    return RuntimeError("boom")


Group: Any = getattr(builtins, "ExceptionGroup", lambda text, errors: RuntimeError(text))  # Python 3.11


class Mapped(Exception):
    pass


# --- Dispatch ---


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("handled", "raised"),
    [
        (404, NotFound),
        (404, lambda: APIError("user_not_found")),
        (NotFound, NotFound),
        (APIError, lambda: APIError("user_not_found")),
        (HTTPException, Forbidden),
        (HTTPException, lambda: APIError("user_not_found")),
        (HTTPException, boom),
        (500, boom),
        (InternalServerError, boom),
        (Exception, boom),
        (RuntimeError, RecursionError),
        (Exception, RecursionError),
        (LookupError, lambda: APIError("user_not_fuond")),
        (ValidationError, lambda: ValidationError("no")),
        (Mapped, Mapped),
    ],
)
def test_01_the_handlers_of_the_application_win(make_app, lines, when, handled, raised):
    def register(app):
        app.register_error_handler(handled, lambda exc: ("mine", 418))

    extension = APIErrors()
    extension.map(Mapped, "conflict")
    app = make_app(fails(raised), extension=extension, prepare=register if when == "before" else lambda app: None)
    if when == "after":
        register(app)
    response = app.test_client().get("/")
    assert (response.status_code, response.text) == (418, "mine")
    assert response.headers["X-Request-ID"]
    assert lines.errors() == []


def test_01_a_handler_for_exception_leaves_errors_that_are_not_crashes_to_the_envelope(make_app, envelope):
    app = make_app(fails(lambda: APIError("user_not_found")), prepare=lambda app: app.errorhandler(Exception)(str))
    envelope(app.test_client().get("/"), 404, "user_not_found")
    envelope(app.test_client().get("/nowhere"), 404, "not_found")


@pytest.mark.parametrize(
    ("handled", "expected"),
    [
        ([], None),
        (["blueprint class"], "blueprint class"),
        (["blueprint class", "app status"], "app status"),
        (["blueprint class", "app status", "blueprint status"], "blueprint status"),
    ],
)
def test_01_handlers_keep_the_order_that_flask_gives_them(make_app, lines, handled, expected):
    app = make_app()
    blueprint, inner = Blueprint("outer", "outer"), Blueprint("inner", "inner")
    inner.add_url_rule("/", view_func=fails(NotFound))
    blueprint.register_blueprint(inner)
    register = {
        "blueprint class": lambda text: blueprint.register_error_handler(HTTPException, lambda exc: text),
        "blueprint status": lambda text: inner.register_error_handler(404, lambda exc: text),
        "app status": lambda text: app.register_error_handler(404, lambda exc: text),
    }
    for name in handled:
        register[name](name)
    app.register_blueprint(blueprint)
    response = app.test_client().get("/")
    if expected is None:
        assert response.json["error"] == "not_found"
    else:
        assert response.text == expected
    assert len(lines.errors()) == (expected is None)


def test_01_a_user_handler_for_500_gets_the_original_exception_and_flask_logs_the_crash(make_app, lines):
    app, crash = make_app(fails(ZeroDivisionError)), []
    app.register_error_handler(500, lambda exc: (crash.append(exc.original_exception) or "mine", 500))
    assert app.test_client().get("/").text == "mine"
    assert type(crash[0]) is ZeroDivisionError
    (line,) = lines.all()
    assert (line["event"], line["level"]) == ("Exception on / [GET]", "error")
    assert line["request_id"]


def test_01_what_a_handler_returns_may_be_an_api_error(make_app, envelope):
    app = make_app(fails(KeyError))
    app.register_error_handler(KeyError, lambda exc: APIError("user_not_found"))
    envelope(app.test_client().get("/"), 404, "user_not_found")


def test_02_a_crash_is_still_signalled_once_with_the_original_exception(make_app, envelope):
    seen, crash = [], boom()
    app = make_app(fails(crash))

    def receive(sender, exception):
        seen.append((sender, exception))

    with got_request_exception.connected_to(receive, app):
        envelope(app.test_client().get("/"), 500, "internal_error")
    assert seen == [(app, crash)]


@pytest.mark.parametrize(
    "config", [{"TESTING": True}, {"DEBUG": True}, {"PROPAGATE_EXCEPTIONS": True}, {"TESTING": True, "DEBUG": True}]
)
@pytest.mark.parametrize("where", ["view", "teardown", "after_request", "handler", "before_request"])
def test_02_a_crash_reaches_the_debugger_where_flask_propagates_it(make_app, lines, config, where):
    app = make_app(fails(boom) if where in ("view", "handler") else lambda: "fine", **config)
    if where == "teardown":
        app.teardown_request(fails(boom))
    elif where == "handler":
        app.register_error_handler(RuntimeError, fails(boom))
    elif where != "view":
        getattr(app, where)(fails(boom))
    with pytest.raises(RuntimeError, match="boom"):
        app.test_client().get("/")
    assert lines.errors() == []


@pytest.mark.parametrize("config", [{"TESTING": True}, {"DEBUG": True}, {"PROPAGATE_EXCEPTIONS": True}])
def test_02_errors_that_are_not_crashes_are_answered_in_testing_and_debug_too(make_app, envelope, config):
    app = make_app(fails(lambda: APIError("user_not_found")), **config)
    envelope(app.test_client().get("/"), 404, "user_not_found")


@pytest.mark.parametrize("config", [{"DEBUG": True}, {"TESTING": True}])
def test_02_propagation_that_is_switched_off_gives_the_envelope(make_app, envelope, config):
    app = make_app(fails(boom), PROPAGATE_EXCEPTIONS=False, **config)
    envelope(app.test_client().get("/"), 500, "internal_error")


def test_02_an_own_log_exception_is_still_called(make_app, envelope):
    class Mine(Flask):
        logged = ()

        def log_exception(self, exc_info):
            self.logged = (*self.logged, exc_info[1])

    crash = boom()
    app = make_app(fails(crash), flask_class=Mine)
    envelope(app.test_client().get("/"), 500, "internal_error")
    assert app.logged == (crash,)


def test_03_a_crash_writes_one_line(make_app, envelope, lines):
    response = make_app(fails(boom)).test_client().get("/")
    found = envelope(response, 500, "internal_error")
    assert found.body == {"error": "internal_error", "error_description": CRASH}
    assert lines.all() == [found.line]
    assert found.line["level"] == "error"
    assert "RuntimeError: boom" in found.line["exception"]
    assert "boom" not in response.text


@pytest.mark.parametrize("trap", [False, True])
def test_04_a_slash_redirect_stays_a_redirect(make_app, lines, trap):
    app = make_app(TRAP_HTTP_EXCEPTIONS=trap)
    app.add_url_rule("/users/", view_func=lambda: "users")
    response = app.test_client().get("/users")
    assert (response.status_code, response.headers["Location"]) == (308, "http://localhost/users/")
    assert response.headers["X-Request-ID"]
    assert lines.errors() == []


@pytest.mark.parametrize("trap", [False, True])
@pytest.mark.parametrize(
    "raised",
    [
        lambda: flask.abort(make_response("mine", 418)),
        lambda: fails(NotFound(response=Response("mine", 418)))(),
        lambda: fails(APIErrorWithResponse("user_not_found"))(),
    ],
)
def test_05_and_06_a_response_inside_an_exception_is_returned_as_it_is(make_app, lines, trap, raised):
    response = make_app(raised, TRAP_HTTP_EXCEPTIONS=trap).test_client().get("/")
    assert (response.status_code, response.text, response.mimetype) == (418, "mine", "text/html")
    assert response.headers["X-Request-ID"]
    assert lines.all() == []


class APIErrorWithResponse(APIError):
    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.response = Response("mine", 418)


def test_07_trapped_http_exceptions_reach_the_debugger(make_app, lines):
    app = make_app(fails(lambda: APIError("user_not_found")), TRAP_HTTP_EXCEPTIONS=True, PROPAGATE_EXCEPTIONS=True)
    with pytest.raises(APIError):
        app.test_client().get("/")
    with pytest.raises(NotFound):
        app.test_client().get("/nowhere")
    assert lines.errors() == []


def test_07_a_trapped_http_exception_that_is_not_propagated_is_a_crash_with_one_line(make_app, envelope, lines):
    app = make_app(fails(lambda: APIError("user_not_found")), TRAP_HTTP_EXCEPTIONS=True)
    found = envelope(app.test_client().get("/"), 500, "internal_error")
    assert lines.all() == [found.line]
    assert "APIError" in found.line["exception"]


@pytest.mark.parametrize("config", [{"TRAP_BAD_REQUEST_ERRORS": True, "TESTING": True}, {"DEBUG": True}])
def test_07_trapped_bad_requests_reach_the_debugger_and_other_errors_do_not(make_app, envelope, config):
    app = make_app(lambda: request.form["missing"], **config)
    with pytest.raises(KeyError, match="missing"):
        app.test_client().post("/")
    envelope(app.test_client().get("/nowhere"), 404, "not_found")


def test_07_a_missing_form_key_is_a_generic_bad_request(make_app, envelope):
    response = make_app(lambda: request.form["missing"]).test_client().post("/")
    assert envelope(response, 400, "invalid_request").body["error_description"] == "Invalid request format"


def test_08_flask_abort_knows_the_codes_of_the_app(make_app, envelope):
    extension = APIErrors()
    app = make_app(lambda: flask.abort("no_tea"), extension=extension)
    extension.register("no_tea", 418, "There is only coffee")
    found = envelope(app.test_client().get("/"), 418, "no_tea")
    assert found.body["error_description"] == "There is only coffee"


@pytest.mark.parametrize("function", [abort, flask.abort, werkzeug_abort])
def test_08_an_unknown_code_is_a_crash_and_the_log_says_which(make_app, envelope, function):
    found = envelope(make_app(lambda: function("user_not_fuond")).test_client().get("/"), 500, "internal_error")
    assert "LookupError" in found.line["exception"] or "UnknownErrorCode" in found.line["exception"]
    assert "user_not_fuond" in found.line["exception"]
    if function is not werkzeug_abort:
        assert "'user_not_found'" in found.line["exception"]


def test_08_werkzeugs_abort_does_not_know_codes(make_app, envelope):
    app = make_app(lambda: werkzeug_abort("user_not_found"))
    envelope(app.test_client().get("/"), 500, "internal_error")


@pytest.mark.parametrize("status", [444, 499, 520, 599])
def test_09_a_status_that_werkzeug_does_not_know_gets_an_envelope(make_app, lines, status):
    class Odd(HTTPException):
        code = status

    response = make_app(fails(Odd)).test_client().get("/")
    assert response.status_code == status
    assert response.content_type == "application/json"
    assert set(response.json) == {"error", "error_description"}
    assert [line["status"] for line in lines.all()] == [status]


@pytest.mark.parametrize("status", sorted(default_exceptions))
def test_09_every_status_that_werkzeug_knows_gets_an_envelope(make_app, lines, status):
    response = make_app(lambda: flask.abort(status)).test_client().get("/")
    assert response.status_code == status
    assert re.fullmatch(r"[a-z0-9_]+", response.json["error"])
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", response.json["error_description"])
    assert [line["status"] for line in lines.all()] == [status]


@pytest.mark.parametrize("status", [HTTPStatus.CONFLICT, 409], ids=["enum", "int"])
@pytest.mark.parametrize("function", [abort, flask.abort])
def test_09_a_status_may_be_an_enum(make_app, envelope, function, status):
    envelope(make_app(lambda: function(status)).test_client().get("/"), 409, "conflict")


@pytest.mark.parametrize("status", [600, 700, 404.5, "404", (404,), math.nan])
def test_09_a_class_whose_code_is_not_a_status_is_a_crash(make_app, envelope, status):
    class Odd(HTTPException):
        code = status

    envelope(make_app(fails(Odd)).test_client().get("/"), 500, "internal_error")


def test_10_an_unknown_url_below_a_blueprint_is_for_the_app(make_app, envelope):
    app, blueprint = make_app(), Blueprint("api", "api", url_prefix="/api")
    blueprint.register_error_handler(404, lambda exc: "the blueprint's")
    app.register_blueprint(blueprint)
    assert envelope(app.test_client().get("/api/nowhere"), 404, "not_found").line["route"] is None


@pytest.mark.skipif(FLASK < (3, 1), reason="TRUSTED_HOSTS is new in Flask 3.1")
@pytest.mark.parametrize("path", ["/", "/nowhere"])
def test_11_an_untrusted_host_gets_an_enveloped_400(make_app, envelope, path):
    app = make_app(lambda: "fine", TRUSTED_HOSTS=["example.com"])
    response = app.test_client().get(path, headers={"Host": "evil.example"})
    found = envelope(response, 400, "invalid_request")
    assert "evil" not in response.text
    assert found.body["error_description"] == "Invalid request format"
    assert app.test_client().get("/", headers={"Host": "example.com"}).text == "fine"


def test_11_a_security_error_does_not_quote_its_input(make_app, envelope):
    response = make_app(fails(lambda: SecurityError("Host 'evil' is not trusted"))).test_client().get("/")
    assert "evil" not in envelope(response, 400, "invalid_request").body["error_description"]


def test_12_init_app_called_twice_adds_nothing_twice(make_app, lines):
    extension = APIErrors()
    app = make_app(lambda: "fine", extension=extension)
    wsgi_app, hooks = app.wsgi_app, (dict(app.before_request_funcs), dict(app.after_request_funcs))
    extension.init_app(app)
    assert app.wsgi_app is wsgi_app
    assert (app.before_request_funcs, app.after_request_funcs) == hooks
    assert len(app.test_client().get("/nowhere").headers.getlist("X-Request-ID")) == 1
    assert len(lines.all()) == 1


def test_12_one_extension_on_two_apps_keeps_them_apart(make_app, envelope, lines):
    extension = APIErrors()
    one = make_app(fails(Mapped), extension=extension, APIERRORS_LOG_LEVELS={"conflict": "critical"})
    two = make_app(fails(Mapped), extension=extension, APIERRORS_REQUEST_ID_HEADER="X-Two")
    three = make_app(fails(Mapped), extension=APIErrors())
    extension.map(Mapped, "conflict")
    assert envelope(one.test_client().get("/"), 409, "conflict").line["level"] == "critical"
    response = two.test_client().get("/", headers={"X-Request-ID": "one", "X-Two": "two"})
    assert (response.status_code, response.headers["X-Two"]) == (409, "two")
    assert "X-Request-ID" not in response.headers
    assert lines.errors()[-1]["level"] == "info"
    envelope(three.test_client().get("/"), 500, "internal_error")


# --- Hooks and double faults ---


def test_13_an_abort_in_a_hook_that_runs_before_ours_has_the_id(make_app, envelope):
    inbound = {"X-Request-ID": "from-outside"}
    app = make_app(lambda: "fine", prepare=lambda app: app.before_request(fails(lambda: APIError("forbidden"))))
    assert envelope(app.test_client().get("/", headers=inbound), 403, "forbidden").line["request_id"] == "from-outside"


def test_13_a_request_context_without_the_guard_has_an_id_on_first_use(make_app):
    app = make_app()
    assert get_request_id() is None
    with app.test_request_context(headers={"X-Request-ID": "from-outside"}):
        assert get_request_id() == "from-outside"
    with app.test_request_context():
        made = get_request_id()
        assert MADE(made)
        assert get_request_id() == made
        assert app.full_dispatch_request().headers["X-Request-ID"] == made
    assert get_request_id() is None


def test_13_a_request_context_that_only_ran_the_before_hooks_leaves_no_id_behind(make_app):
    app = make_app()
    with app.test_request_context(headers={"X-Request-ID": "first"}):
        app.preprocess_request()
    seen = get_request_id(), structlog.contextvars.get_contextvars()
    with app.test_request_context(headers={"X-Request-ID": "second"}):
        app.preprocess_request()
        second = get_request_id()
        app.process_response(Response())
    assert second == "second"
    assert seen == (None, {})


def test_13_the_after_hooks_may_run_twice_without_the_guard(make_app):
    app = make_app()
    with app.test_request_context(headers={"X-Request-ID": "id"}):
        app.preprocess_request()
        responses = [app.process_response(Response()) for _ in range(2)]
    assert [response.headers.getlist("X-Request-ID") for response in responses] == [["id"], ["id"]]
    assert get_request_id() is None


class BrokenSession(SecureCookieSessionInterface):
    def __init__(self, broken: str) -> None:
        setattr(self, broken, fails(boom))


@pytest.mark.parametrize("broken", ["open_session", "save_session"])
def test_14_a_session_that_fails_is_a_crash_like_others(make_app, envelope, broken):
    ran = []

    def view() -> str:
        flask.session["a"] = 1
        return "fine"

    def prepare(app):
        app.session_interface = BrokenSession(broken)
        app.before_request(lambda: ran.append("before"))
        app.after_request(lambda response: ran.append("after") or response)

    found = envelope(make_app(view, prepare=prepare, SECRET_KEY="key").test_client().get("/"), 500, "internal_error")
    assert "RuntimeError: boom" in found.line["exception"]
    assert ran[-1] == "after"
    assert ("before" in ran) == (broken == "save_session")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("view", [lambda: "fine", fails(lambda: APIError("user_not_found"))])
def test_15_a_500_because_of_a_raising_after_request_carries_the_id(make_app, envelope, lines, when, view):
    register = lambda app: app.after_request(fails(boom))  # noqa: E731
    app = make_app(view, prepare=register if when == "before" else lambda app: None)
    if when == "after":
        register(app)
    response = app.test_client().get("/", headers={"X-Request-ID": "from-outside"})
    assert response.headers.getlist("X-Request-ID") == ["from-outside"]
    assert (response.status_code, response.json["error"]) == (500, "internal_error")
    assert [line["error_code"] for line in lines.errors()][-1] == "internal_error"
    assert {line["request_id"] for line in lines.all()} == {"from-outside"}


def test_16_hooks_that_run_twice_set_headers_and_do_not_add_them(make_app, lines):
    runs = []

    def fail_once(response: Response) -> Response:
        runs.append(response.status_code)
        if len(runs) == 1:
            raise RuntimeError("boom")
        return response

    app = make_app(lambda: "fine", prepare=lambda app: app.after_request(fail_once))
    headers = app.test_client().get("/").headers
    assert runs == [200, 500]
    assert [len(headers.getlist(name)) for name in ("X-Request-ID", "Cache-Control", "Content-Type")] == [1, 1, 1]


def raising_body() -> Iterator[str]:
    raise RuntimeError("boom")
    yield ""


ESCAPES = {
    "teardown_request": (lambda: "fine", lambda app: app.teardown_request(fails(boom))),
    "teardown_appcontext": (lambda: "fine", lambda app: app.teardown_appcontext(fails(boom))),
    "handler of 404": (fails(NotFound), lambda app: app.register_error_handler(404, fails(boom))),
    "handler of 500": (fails(KeyError), lambda app: app.register_error_handler(500, fails(boom))),
    "handler of Exception": (fails(KeyError), lambda app: app.register_error_handler(Exception, fails(boom))),
    "handlers of everything": (
        fails(KeyError),
        lambda app: [app.register_error_handler(key, fails(boom)) for key in (500, Exception, HTTPException)],
    ),
    "body": (lambda: raising_body(), lambda app: None),
    "body with context": (lambda: Response(stream_with_context(raising_body())), lambda app: None),
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("view", "break_"), ESCAPES.values(), ids=ESCAPES)
def test_17_what_escapes_flask_still_ends_in_an_envelope_and_one_line(make_app, lines, view, break_, method):
    app = make_app(view)
    break_(app)
    response = app.test_client().open("/", method=method, headers={"X-Request-ID": "from-outside"})
    if (method, view) in [("HEAD", ESCAPES["body"][0]), ("HEAD", ESCAPES["body with context"][0])]:
        assert response.status_code == 200  # the body is never begun
        return
    assert (response.status_code, response.content_type) == (500, "application/json")
    assert response.headers.getlist("X-Request-ID") == ["from-outside"]
    assert response.headers.getlist("Cache-Control") == ["no-store"]
    assert response.data == b"" if method == "HEAD" else response.json["error"] == "internal_error"
    (line,) = lines.all()
    assert (line["event"], line["request_id"]) == ("api_error", "from-outside")
    assert "RuntimeError: boom" in line["exception"]


@pytest.mark.parametrize("answer", [fails(KeyError), fails(lambda: APIError("user_not_found"))])
def test_17_an_error_followed_by_a_raising_teardown_loses_neither(make_app, lines, answer):
    app = make_app(answer)
    app.teardown_request(fails(boom))
    response = app.test_client().get("/")
    assert (response.status_code, response.json["error"]) == (500, "internal_error")
    assert lines.errors()[-1]["error_code"] == "internal_error"
    assert "boom" in lines.errors()[-1]["exception"]
    written = str(lines.all())
    assert "KeyError" in written or "user_not_found" in written


def test_17_an_error_of_the_application_in_a_teardown_is_told_to_nobody_twice(make_app, envelope, lines):
    app = make_app(lambda: "fine")
    app.teardown_request(fails(lambda: APIError("job_failed", job="j1")))
    assert envelope(app.test_client().get("/"), 500, "job_failed").line["job"] == "j1"
    assert len(lines.all()) == 1


@pytest.mark.parametrize(
    "raised", [lambda: APIError("service_unavailable"), lambda: ValidationError("no"), NotFound, boom]
)
def test_17_a_handler_of_500_that_raises_does_not_hide_the_crash(make_app, lines, raised):
    app = make_app(fails(lambda: ZeroDivisionError("the crash")))
    app.register_error_handler(500, fails(raised))
    response = app.test_client().get("/")
    assert response.content_type == "application/json"
    assert len(lines.errors()) == 1
    assert "ZeroDivisionError: the crash" in "".join(line.get("exception", "") for line in lines.all())


@pytest.mark.parametrize("hook", ["after_request", "teardown_request"])
def test_17_a_crash_that_the_application_answers_is_logged_though_a_hook_raises(make_app, lines, hook):
    app = make_app(fails(lambda: ZeroDivisionError("the crash")))
    app.register_error_handler(500, lambda exc: ("mine", 500))
    getattr(app, hook)(fails(boom))
    response = app.test_client().get("/")
    assert response.status_code == 500
    assert response.headers["X-Request-ID"]
    assert "ZeroDivisionError: the crash" in "".join(line.get("exception", "") for line in lines.all())
    assert "RuntimeError: boom" in "".join(line.get("exception", "") for line in lines.all())


def test_17_a_crash_that_escapes_flask_is_signalled_too(make_app, lines):
    app, seen = make_app(lambda: "fine"), []
    app.teardown_request(fails(boom))

    def receive(sender, exception):
        seen.append(exception)

    with got_request_exception.connected_to(receive, app):
        app.test_client().get("/")
    assert [str(exc) for exc in seen] == ["boom"]


def half_a_body() -> Iterator[str]:
    yield "half"
    raise RuntimeError("boom")


def test_17_a_body_that_dies_midway_is_logged_and_breaks_off(make_app, call_wsgi, lines):
    answer = call_wsgi(make_app(half_a_body))
    assert next(answer.body) == b"half"
    with pytest.raises(RuntimeError, match="boom"):
        next(answer.body)
    answer.body.close()
    ((status, headers),) = answer.starts
    assert status == "200 OK"
    (line,) = lines.all()
    assert (line["event"], line["request_id"]) == ("api_error", dict(headers)["X-Request-ID"])
    assert "RuntimeError: boom" in line["exception"]


@pytest.mark.parametrize("server", ["Werkzeug/3.1", "gunicorn/23.0"])
@pytest.mark.parametrize("view", [lambda: "ab", lambda: iter(["a", "b"])])
def test_17_after_the_body_nothing_is_bound_whatever_the_server(make_app, call_wsgi, server, view):
    answer = call_wsgi(make_app(view), SERVER_SOFTWARE=server)
    assert b"".join(answer.body) == b"ab"
    answer.body.close()
    assert answer.starts[0][0] == "200 OK"
    assert get_request_id() is None
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.parametrize("content", [lambda: "text", lambda: iter(["text"])])
def test_17_functions_that_run_when_the_response_closes_have_the_id(make_app, lines, content):
    def view() -> Response:
        response = Response(content())
        response.call_on_close(lambda: structlog.get_logger().info("closed"))
        return response

    with make_app(view).test_client().get("/") as response:
        assert response.text == "text"
    (line,) = lines.all()
    assert (line["event"], line.get("request_id")) == ("closed", response.headers["X-Request-ID"])


def test_17_a_body_that_an_inner_after_request_put_in_place_is_watched_too(make_app, lines):
    def replace(response: Response) -> Response:
        response.response = (get_request_id() or "none" for _ in "1")
        return response

    def break_(response: Response) -> Response:
        response.response = raising_body()
        return response

    ids = make_app(lambda: "fine", prepare=lambda app: app.after_request(replace)).test_client().get("/")
    assert ids.text == ids.headers["X-Request-ID"]
    response = make_app(lambda: "fine", prepare=lambda app: app.after_request(break_)).test_client().get("/")
    assert (response.status_code, response.json["error"]) == (500, "internal_error")
    assert len(lines.errors()) == 1


def upper(wsgi_app: Any) -> Any:
    """A middleware that starts the response with the first part of its body, as PEP 3333 allows."""

    def middleware(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        started: list[Any] = []
        body = wsgi_app(environ, lambda *args: started.append(args))

        def parts() -> Iterator[bytes]:
            start_response(*started[0])
            for part in body:
                yield part.upper()

        return parts()

    return middleware


def breaking(wsgi_app: Any) -> Any:
    def middleware(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        wsgi_app(environ, start_response)
        return (part.encode() for part in raising_body())

    return middleware


def wrap(middleware: Callable[[Any], Any]) -> Callable[[Flask], None]:
    def prepare(app: Flask) -> None:
        app.wsgi_app = middleware(app.wsgi_app)

    return prepare


def test_17_a_middleware_inside_the_guard_may_start_late(make_app):
    response = make_app(lambda: "fine", prepare=wrap(upper)).test_client().get("/")
    assert (response.status_code, response.text) == (200, "FINE")
    assert response.headers["X-Request-ID"]


def test_17_a_middleware_inside_the_guard_that_dies_gives_an_envelope(make_app, lines):
    response = make_app(lambda: "fine", prepare=wrap(breaking)).test_client().get("/")
    assert (response.status_code, response.json["error"]) == (500, "internal_error")
    assert len(lines.errors()) == 1


def test_17_a_server_whose_file_wrapper_is_a_function_can_stream(make_app, call_wsgi):
    answer = call_wsgi(make_app(lambda: iter(["a", "b"])), **{"wsgi.file_wrapper": lambda file, size=0: iter(file)})
    assert b"".join(answer.body) == b"ab"
    assert answer.starts[0][0] == "200 OK"


def test_17_a_file_is_handed_to_the_server_as_its_file_wrapper(make_app, call_wsgi):
    class Wrapper:
        def __init__(self, file: Any, size: int = 8192) -> None:
            self.file = file

        def __iter__(self) -> Iterator[bytes]:
            return iter([self.file.read()])

    app = make_app(lambda: flask.send_file(io.BytesIO(b"data"), "text/plain"))
    app.config["USE_X_SENDFILE"] = False
    answer = call_wsgi(app, **{"wsgi.file_wrapper": Wrapper})
    assert b"".join(answer.body) == b"data"
    assert dict(answer.starts[0][1])["X-Request-ID"]


@pytest.mark.parametrize("exception", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_17_what_is_not_an_error_passes_and_leaves_nothing_bound(make_app, lines, exception):
    with pytest.raises(exception):
        make_app(fails(exception)).test_client().get("/")
    assert lines.all() == []
    assert get_request_id() is None


def test_18_a_body_that_is_too_large_stays_a_413_in_debug_mode(make_app, envelope):
    app = make_app(lambda: request.form["a"], MAX_CONTENT_LENGTH=4, APIERRORS_DEBUG=True)
    response = app.test_client().post("/", data={"a": "too long"}, headers={"X-Debug": "true"})
    debug = envelope(response, 413, "payload_too_large").body["debug"]
    assert set(debug) == {"stack_trace", "request_body", "timestamp"}
    assert "too long" not in str(debug["request_body"])


def test_19_a_streamed_body_has_the_id_though_teardown_has_run(make_app, lines):
    order = []

    def body() -> Iterator[str]:
        order.append("body")
        structlog.get_logger().info("structlog")
        logging.getLogger("library").info("logging")
        yield get_request_id() or ""

    for view in (lambda: body(), lambda: Response(stream_with_context(body()))):
        order.clear()
        app = make_app(view)
        app.teardown_request(lambda exc: order.append("teardown"))
        response = app.test_client().get("/")
        assert response.text == response.headers["X-Request-ID"]
        if FLASK >= (3, 1):  # before that, stream_with_context ran the body up to its first chunk at once
            assert order.index("teardown") < order.index("body")
        assert [line["request_id"] for line in lines.all()[-2:]] == [response.text] * 2
    assert get_request_id() is None


@pytest.mark.parametrize(
    "view",
    [fails(NotFound), fails(boom), fails(lambda: APIError("rate_limit_exceeded", retry_after=5)), lambda: None],
)
def test_20_head_errors_have_no_body_but_the_same_headers(make_app, view):
    client = make_app(view).test_client()
    get, head = (client.open("/", method=method, headers={"X-Request-ID": "id"}) for method in ("GET", "HEAD"))
    assert head.data == b""
    assert get.data
    assert (head.status_code, sorted(head.headers)) == (get.status_code, sorted(get.headers))


# --- Context ---


def test_21_the_id_is_gone_after_the_request_and_other_bindings_stay(make_app, lines):
    client = make_app(fails(lambda: APIError("user_not_found"))).test_client()
    structlog.contextvars.bind_contextvars(worker="w1", request_id="of-the-job")
    client.get("/", headers={"X-Request-ID": "of-the-request"})
    structlog.get_logger().info("afterwards")
    error, afterwards = lines.all()
    assert (error["request_id"], error["worker"]) == ("of-the-request", "w1")
    assert (afterwards["request_id"], afterwards["worker"]) == ("of-the-job", "w1")
    assert structlog.contextvars.get_contextvars() == {"worker": "w1", "request_id": "of-the-job"}


def test_21_each_request_on_a_thread_has_its_own_id(make_app):
    client = make_app(lambda: get_request_id()).test_client()
    responses = [client.get("/") for _ in range(20)]
    assert all(response.text == response.headers["X-Request-ID"] for response in responses)
    assert len({response.text for response in responses}) == 20
    assert get_request_id() is None


def test_21_a_redirect_that_is_followed_is_a_request_of_its_own(make_app):
    app = make_app(lambda: flask.redirect("/next"))
    app.add_url_rule("/next", view_func=lambda: "next")
    response = app.test_client().get("/", follow_redirects=True)
    assert response.text == "next"
    assert response.history[0].headers["X-Request-ID"] != response.headers["X-Request-ID"]


@pytest.mark.parametrize("inner_path", ["/", "/nowhere", "/crash", "/stream"])
@pytest.mark.parametrize("same", [True, False])
def test_22_a_nested_client_gives_the_outer_request_its_binding_back(make_app, lines, inner_path, same):
    inner = make_app(lambda: get_request_id())
    inner.add_url_rule("/crash", view_func=fails(boom))
    inner.add_url_rule("/stream", "stream", lambda: (get_request_id() for _ in "1"))

    def view() -> list[str]:
        ids = [get_request_id()]
        ids.append(inner.test_client().get(inner_path).headers["X-Request-ID"])
        structlog.get_logger().info("back")
        return [*ids, get_request_id(), structlog.contextvars.get_contextvars()["request_id"]]

    outer = inner if same else make_app()
    outer.add_url_rule("/outer", "outer", view)
    before, inside, after, bound = outer.test_client().get("/outer").json
    assert before == after == bound != inside
    assert lines.all()[-1]["request_id"] == before


def test_22_apps_beside_and_inside_each_other_share_nothing_but_the_id_they_should(make_app, lines):
    one, two = make_app(lambda: get_request_id()), make_app(lambda: get_request_id())
    inner = make_app(fails(lambda: APIError("user_not_found")))
    one.add_url_rule(
        "/inner", "inner", lambda: Response.from_app(inner.wsgi_app, {**request.environ, "PATH_INFO": "/"})
    )
    client = Client(DispatcherMiddleware(one, {"/two": two}))
    for path in ("/", "/two/"):
        response = client.get(path)
        assert response.text == response.headers["X-Request-ID"]
    response = client.get("/inner")
    assert (response.status_code, response.json["error"]) == (404, "user_not_found")
    assert [line["request_id"] for line in lines.errors()] == [response.headers["X-Request-ID"]]


def test_23_an_app_context_that_outlives_requests_does_not_keep_their_id(make_app):
    app = make_app(lambda: get_request_id())
    with app.app_context():
        g.mine = 1
        assert get_request_id() is None
        ids = {app.test_client().get("/").text for _ in range(3)}
        assert get_request_id() is None
        assert list(g) == ["mine"]
    assert len(ids) == 3


def test_23_a_client_that_preserves_its_context_keeps_the_id(make_app):
    with make_app(lambda: "fine").test_client() as client:
        assert get_request_id() is None
        assert client.get("/").headers["X-Request-ID"] == get_request_id()


@pytest.mark.parametrize("copied", [True, False])
def test_24_a_thread_has_the_id_where_it_was_given_the_context(make_app, lines, copied):
    def work(ids: list[Any]) -> None:
        structlog.get_logger().info("structlog")
        logging.getLogger("library").warning("logging")
        ids.append(get_request_id())

    def view() -> list[Any]:
        ids: list[Any] = []
        run = contextvars.copy_context().run if copied else lambda function, *args: function(*args)
        thread = threading.Thread(target=run, args=(work, ids))
        thread.start()
        thread.join()
        return ids

    response = make_app(view).test_client().get("/")
    expected = response.headers["X-Request-ID"] if copied else None
    assert response.json == [expected]
    assert [line.get("request_id") for line in lines.all()] == [expected] * 2


# --- Request ids ---


@pytest.mark.parametrize(
    "inbound",
    ["", " ", "a b", "a\r\nSet-Cookie: x=1", "a\n", "\na", "a\x00", "a" * 129, "é", "\udcff", "a;b", '"a"', "<a>",
     "a, b", "{}", "%0a", "a" * 100_000],
)  # fmt: skip
def test_25_and_26_a_hostile_id_is_replaced(make_app, call_wsgi, lines, inbound):
    answer = call_wsgi(make_app(), HTTP_X_REQUEST_ID=inbound)
    b"".join(answer.body)
    (_, headers), = answer.starts  # fmt: skip
    assert MADE(dict(headers)["X-Request-ID"])
    assert lines.errors()[0]["request_id"] == dict(headers)["X-Request-ID"]


def test_26_two_inbound_ids_are_none(make_app):
    response = make_app().test_client().get("/", headers=[("X-Request-ID", "a"), ("X-Request-ID", "b")])
    assert MADE(response.headers["X-Request-ID"])


@pytest.mark.parametrize(
    "inbound",
    ["0af7651916cd43dd8448eb211c80319c", "0af76519-16cd-43dd-8448-eb211c80319c", "h" * 20, "h" * 128, "a",
     "1-67891233-abcdef012345678912345678", "Root=1-67891233-abc", "https://id.example/~1:2+3/4=", "req_abc"],
)  # fmt: skip
def test_27_ids_of_every_usual_proxy_are_kept(make_app, envelope, inbound):
    response = make_app().test_client().get("/", headers={"X-Request-ID": inbound})
    assert envelope(response, 404, "not_found").line["request_id"] == inbound


@pytest.mark.parametrize("path", ["/", "/redirect", "/static/file.txt", "/options"])
def test_27_responses_that_are_no_errors_have_an_id_and_no_line(make_app, lines, tmp_path, path):
    (tmp_path / "file.txt").write_text("text")
    app = make_app(lambda: "fine")
    app.static_folder = str(tmp_path)
    app.add_url_rule("/static/<path:filename>", "static", app.send_static_file)
    app.add_url_rule("/redirect", view_func=lambda: flask.redirect("/"))
    response = app.test_client().open(path, method="OPTIONS" if path == "/options" else "GET")
    with response:
        assert MADE(response.headers["X-Request-ID"])
    assert [line["error_code"] for line in lines.all()] == (["not_found"] if path == "/options" else [])


# --- Bodies ---


class Hostile:
    """Raises at every touch."""

    def __str__(self) -> str:
        raise RuntimeError("str")

    __repr__ = __hash__ = __eq__ = __len__ = __iter__ = __bool__ = __format__ = __getattr__ = __str__  # type: ignore[assignment]

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("class")


def made(value: Any) -> Any:
    """Of a hostile class an instance: pytest itself would stumble over one among its parameters."""
    return value() if value in (Hostile, HostileText) else value


class HostileText(str):
    __slots__ = ()
    __str__ = __repr__ = __len__ = __iter__ = __getitem__ = encode = isascii = fails(boom)


class HostileDict(dict):  # type: ignore[type-arg]
    items = keys = values = __iter__ = __len__ = fails(boom)


def cyclic() -> dict[str, Any]:
    loop: dict[str, Any] = {"name": "wrong"}
    loop["self"] = [loop]
    return loop


def deep(levels: int) -> dict[str, Any]:
    result: Any = "wrong"
    for _ in range(levels):
        result = {"a": result}
    return result


HOSTILE = {
    "object": {"name": object()},
    "bytes": {"name": b"\xff\x00wrong", b"key": "wrong"},
    "set": {"name": {"wrong"}},
    "tuple key": {("a", "b"): "wrong"},
    "mixed keys": {1: "wrong", "a": "wrong", None: "wrong", 1.5: "wrong", False: "wrong"},
    "cycle": cyclic(),
    "deep": deep(5000),
    "wide": {str(number): "wrong" for number in range(20_000)},
    "huge": {"name": "x" * 10_000_000, "y" * 1_000_000: "wrong"},
    "nan": {"name": math.nan, "other": [math.inf, -math.inf]},
    "long int": {"name": 10**5000, 10**5000: "wrong"},
    "lone surrogate": {"name": "\ud800", "\udfff": "wrong"},
    "control characters": {"name": "\x00\x1b[31m\r\n\u2028", "a\nb": "wrong"},
    "hostile": {"name": Hostile(), "items": [Hostile()]},
    "hostile text": {"name": HostileText("wrong")},
    "hostile dict": HostileDict(name="wrong"),
    "not a mapping": ["wrong", {"a": ["wrong"]}],
    "hostile itself": Hostile(),
    "generator": (number for number in range(3)),
    "NaN": math.nan,
    "65 bits": [2**64, -(2**63) - 1],
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("raised", ["abort", "ValidationError"])
def test_28_29_31_hostile_details_stay_the_error_that_they_belong_to(make_app, envelope, name, raised):
    details = HOSTILE[name]

    def view() -> None:
        if raised == "abort":
            abort("validation_error", details=details)
        error = ValidationError("wrong")
        error.messages = details  # type: ignore[assignment]  # as marshmallow's own would never be
        raise error

    response = make_app(view).test_client().get("/")
    assert len(response.data) < 400_000
    envelope(response, 422, "validation_error")


@pytest.mark.parametrize("name", HOSTILE)
def test_28_29_31_hostile_context_still_gives_one_json_line(make_app, envelope, name):
    value = HOSTILE[name]
    found = envelope(
        make_app(lambda: abort("user_not_found", given=value)).test_client().get("/"), 404, "user_not_found"
    )
    assert "given" in found.line


@pytest.mark.parametrize(
    "description",
    ["\ud800", "x" * 10_000_000, 'a "quoted" \\ text', "\r\nX: y", Hostile, HostileText, b"\xff", 5],
)
def test_31_a_hostile_description_is_text_in_the_end(make_app, envelope, description):
    response = make_app(lambda: abort("user_not_found", made(description))).test_client().get("/")
    assert len(envelope(response, 404, "user_not_found").body["error_description"]) <= 1000


class Person(Schema):
    name = fields.String(required=True)
    age = fields.Integer()


@pytest.mark.parametrize("json_keys_sorted", [True, False])
def test_30_many_with_an_error_of_the_collection_mixes_int_and_str_keys(make_app, envelope, json_keys_sorted):
    def view() -> None:
        raise ValidationError({0: {"name": ["Missing."]}, "_schema": ["Too many."], 2: {"age": ["Not a number."]}})

    app = make_app(view)
    app.json.sort_keys = json_keys_sorted
    assert envelope(app.test_client().get("/"), 422, "validation_error").body["details"] == {
        "0.name": "Missing.",
        "_schema": "Too many.",
        "2.age": "Not a number.",
    }


def test_30_many_as_marshmallow_itself_reports_it(make_app, envelope):
    app = make_app(lambda: Person(many=True).load([{"age": "x"}, {"name": "n"}, {"name": "n", "age": []}]))
    found = envelope(app.test_client().get("/"), 422, "validation_error")
    assert set(found.body["details"]) == {"0.name", "0.age", "2.age"}
    assert found.line["details"] == [
        {"path": path, "message": message} for path, message in found.body["details"].items()
    ]


@pytest.mark.parametrize(
    ("messages", "details"),
    [
        ("wrong", {"_schema": "wrong"}),
        (["one", "two"], {"_schema": "one two"}),
        ({"a": "wrong"}, {"a": "wrong"}),
        ({"a": ["one", "two"]}, {"a": "one two"}),
        ({"a": {"b": {"c": ["wrong"]}}}, {"a.b.c": "wrong"}),
        ({"items": {0: {"name": ["wrong"]}}}, {"items.0.name": "wrong"}),
        ({"items": [{"name": "wrong"}]}, {"items.0.name": "wrong"}),
        ({"scores": {"maths": {"key": ["bad key"], "value": ["bad value"]}}},
         {"scores.maths.key": "bad key", "scores.maths.value": "bad value"}),
        ({"a.b": ["one"], "a": {"b": ["two"]}}, {r"a\.b": "one", "a.b": "two"}),
        ({"_schema": ["whole"], "a": {"_schema": ["part"]}}, {"_schema": "whole", "a._schema": "part"}),
        ({"a": [], "b": {}, "c": None}, None),
        ([], None),
    ],
)  # fmt: skip
def test_32_messages_of_every_shape_become_flat_details(make_app, envelope, messages, details):
    response = make_app(fails(lambda: ValidationError(messages))).test_client().get("/")
    assert envelope(response, 422, "validation_error").body.get("details") == details


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("a.b",), ("a", "b")),
        (("a\\", "b"), ("a\\.b",)),
        (("a\\.b",), ("a.b",)),
        (("a", ".b"), ("a.", "b")),
        (("\ud800",), ("\\ud800",)),
        (("\ud800",), ("\ud801",)),
        (("", ""), ("",)),
        (("x" * 5000 + "1",), ("x" * 5000 + "2",)),
    ],
)
def test_32_different_paths_never_meet(make_app, envelope, one, two):
    def nest(keys: tuple[str, ...], value: Any) -> Any:
        return {keys[0]: nest(keys[1:], value)} if keys else value

    # One after the other in a list, below a path of their own each; the rest of the path is what has to differ.
    details = [nest(one, "one"), nest(two, "two")]
    response = make_app(lambda: abort("validation_error", details=details)).test_client().get("/")
    paths = envelope(response, 422, "validation_error").body["details"]
    assert sorted(paths.values()) == ["one", "two"]
    assert len({path.split(".", 1)[1] for path in paths}) == 2


def test_32_a_field_may_be_named_schema(make_app, envelope):
    class Odd(Schema):
        inner = fields.Integer(data_key="_schema")

    response = make_app(lambda: Odd().load({"_schema": "x"})).test_client().get("/")
    assert envelope(response, 422, "validation_error").body["details"] == {"_schema": "Not a valid integer."}


class Lazy:
    """As Babel's: text that is made when it is asked for."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make

    def __str__(self) -> str:
        return self._make()


def test_34_lazy_texts_become_text_within_the_request(make_app, envelope):
    language = Lazy(lambda: f"in {request.args['lang']}")

    def view() -> None:
        abort("validation_error", language, details={"name": [language, language]}, who=language)

    for name in ("de", "fr"):
        found = envelope(make_app(view).test_client().get(f"/?lang={name}"), 422, "validation_error")
        assert found.body["error_description"] == f"in {name}"
        assert found.body["details"] == {"name": f"in {name} in {name}"}
        assert found.line["description"] == f"in {name}"


def test_34_a_lazy_text_that_raises_costs_the_text_only(make_app, envelope):
    broken = Lazy(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    app = make_app(lambda: abort("validation_error", broken, details={"name": broken}, who=broken))
    assert list(envelope(app.test_client().get("/"), 422, "validation_error").body["details"]) == ["name"]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    ("body", "content_type", "status", "code", "description"),
    [
        (b'{"password": "s3cr3t', "application/json", 400, "invalid_json", "Invalid JSON in request body"),
        (b"\xff\xfe\xff s3cr3t", "application/json", 400, "invalid_json", "Invalid JSON in request body"),
        (b"", "application/json", 400, "invalid_json", "Invalid JSON in request body"),
        (b"[" * 100_000, "application/json", 400, "invalid_json", "Invalid JSON in request body"),
        (b"s3cr3t", "text/plain", 415, "unsupported_media_type", None),
        (b"s3cr3t", "application/jsonx", 415, "unsupported_media_type", None),
    ],
)
def test_35_no_decoder_text_reaches_the_client_or_the_log(
    make_app, envelope, body, content_type, status, code, description, debug
):
    app = make_app(lambda: request.get_json(), DEBUG=debug, PROPAGATE_EXCEPTIONS=False)
    response = app.test_client().post("/", data=body, content_type=content_type)
    found = envelope(response, status, code)
    assert description in (None, found.body["error_description"])
    assert "s3cr3t" not in response.text + str(found.line)
    assert "Failed to decode" not in response.text
    assert "Expecting" not in response.text


def test_35_no_key_name_reaches_the_client_in_debug(make_app, envelope):
    app = make_app(lambda: request.form["internal_name"], DEBUG=True, TRAP_BAD_REQUEST_ERRORS=False)
    assert "internal_name" not in str(envelope(app.test_client().post("/"), 400, "invalid_request").body)


def test_37_the_description_of_428_is_legal_in_a_header(make_app, envelope):
    found = envelope(make_app(lambda: flask.abort(428)).test_client().get("/"), 428, "precondition_required")
    assert '"' not in found.body["error_description"]


# --- structlog ---

FIELDS = ["event", "level", "timestamp", "error_code", "status", "request_id", "method", "path", "route", "exception"]
DANGEROUS = [*FIELDS, "logger", "module", "name", "args", "msg", "message", "exc_info", "stack_info", "stack",
             "self", "lineno", "process", "thread", "taskName", "asctime", "_record", "context", "code", "_name",
             "fields", "report", "positional_args", "faults", "extra", "kwargs", "new", "func", "method_name",
             "logger_name", "exception_type", "stacklevel", "stderr"]  # fmt: skip


@pytest.mark.parametrize("key", DANGEROUS)
def test_38_and_40_a_context_key_never_collides_with_a_field(make_app, envelope, key):
    found = envelope(
        make_app(lambda: abort("user_not_found", **{key: "mine"})).test_client().get("/"), 404, "user_not_found"
    )
    assert "error" not in found.line
    assert found.line["event"] == "api_error"
    assert found.line["level"] == "info"
    assert "mine" in (found.line.get(key), found.line.get(f"context_{key}"))
    if key in FIELDS:
        assert found.line[f"context_{key}"] == "mine"


@pytest.mark.parametrize("key", ["description", "details", "cause", "headers", "retry_after", "error"])
def test_38_context_of_a_subclass_never_collides_either(make_app, envelope, key):
    class Mine(APIError):
        context = {key: "mine", f"context_{key}": "other"}  # noqa: RUF012

    found = envelope(
        make_app(fails(lambda: Mine("validation_error", details={"a": "b"}, cause=KeyError("x"))))
        .test_client()
        .get("/"),
        422,
        "validation_error",
    )
    assert "mine" in found.line.values()
    assert "other" in found.line.values()
    assert found.line["cause"] == "KeyError"
    assert found.line["description"] == "Invalid input data"


@pytest.mark.parametrize(
    "context", [{1: "x", None: "y", (1, 2): "z"}, {"a\nb": 1, "\ud800": 2}, 5, "text", Hostile, [1]]
)
def test_40_a_context_that_is_odd_still_gives_a_line_with_text_keys(make_app, envelope, context):
    error = APIError("user_not_found")
    error.context = made(context)  # type: ignore[assignment]  # hostile on purpose
    envelope(make_app(fails(error)).test_client().get("/"), 404, "user_not_found")


@pytest.mark.parametrize("key", DANGEROUS)
def test_39_rendering_through_the_standard_library_keeps_the_event(make_app, key, caplog):
    structlog.configure(
        processors=[structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    with caplog.at_level(logging.INFO):
        make_app(lambda: abort("user_not_found", **{key: "mine"})).test_client().get("/")
    (record,) = caplog.records
    assert (record.getMessage(), record.name, record.levelname) == ("api_error", "flask_apierrors", "INFO")
    assert record.error_code == "user_not_found"


def raising_processor(logger: Any, method: str, event: Any) -> Any:
    raise KeyError("module")


@pytest.mark.parametrize("view", [fails(boom), fails(lambda: APIError("user_not_found", user="u1"))])
def test_41_a_processor_that_raises_costs_neither_the_response_nor_the_line(make_app, capsys, view):
    stream = io.BytesIO()
    configure_logging(stream=stream, processors=[raising_processor])
    response = make_app(view).test_client().get("/")
    assert response.json["error"] in ("internal_error", "user_not_found")
    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert stream.getvalue() == b""
    assert (line["event"], line["error_code"]) == ("api_error", response.json["error"])
    assert line["request_id"] == response.headers["X-Request-ID"]
    assert "KeyError" in str(line["faults"])


@pytest.mark.parametrize(
    "configuration",
    [
        {"processors": [lambda *args: (_ for _ in ()).throw(RuntimeError)]},
        {"processors": []},
        {"processors": [lambda *args: 5]},
        {"logger_factory": lambda *args: (_ for _ in ()).throw(RuntimeError)},
        {"logger_factory": lambda *args: object()},
        {"wrapper_class": object},
    ],
)
def test_41_a_broken_structlog_configuration_changes_no_response(make_app, capsys, configuration):
    structlog.configure(**configuration)
    response = make_app(fails(boom)).test_client().get("/")
    assert (response.status_code, response.json["error"]) == (500, "internal_error")
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["error_code"] == "internal_error"


class BrokenStream(io.StringIO):
    write = flush = fails(OSError)  # type: ignore[assignment]


def closed(kind: type[Any]) -> Any:
    stream = kind()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [lambda: closed(io.BytesIO), lambda: closed(io.StringIO), BrokenStream, object])
def test_41_a_stream_that_is_closed_or_broken_changes_no_response(make_app, capsys, stream):
    configure_logging(stream=stream())
    response = make_app(fails(boom)).test_client().get("/")
    assert (response.status_code, response.json["error"]) == (500, "internal_error")
    written = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["error_code"] for line in written] == ["internal_error"]


@pytest.mark.parametrize("configured", [True, False])
def test_41_no_standard_stream_at_all_changes_no_response(make_app, monkeypatch, configured):
    if configured:
        configure_logging()
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        monkeypatch.setattr(sys, name, None)
    assert make_app(fails(boom)).test_client().get("/").json["error"] == "internal_error"


def test_41_receivers_that_raise_change_no_response_and_are_logged(make_app, envelope, lines):
    app, receive = make_app(lambda: abort("user_not_found")), fails(boom)
    with error_handled.connected_to(receive):
        found = envelope(app.test_client().get("/"), 404, "user_not_found")
    (other,) = [line for line in lines.all() if line != found.line]
    assert "RuntimeError: boom" in other["exception"]
    assert other["request_id"] == found.line["request_id"]


def test_41_a_receiver_of_flasks_signal_that_raises_still_ends_in_an_envelope(make_app, lines):
    app, receive = make_app(fails(KeyError)), fails(boom)
    with got_request_exception.connected_to(receive):
        response = app.test_client().get("/")
    assert (response.status_code, response.json["error"]) == (500, "internal_error")
    assert response.headers["X-Request-ID"]
    assert lines.errors()


def test_42_without_a_configuration_the_event_is_a_json_line_and_nothing_is_configured(make_app, capsys):
    assert not structlog.is_configured()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    response = make_app(fails(boom)).test_client().get("/")
    captured = capsys.readouterr()
    (line,) = [json.loads(text) for text in captured.out.splitlines()]
    assert captured.err == ""
    assert (line["event"], line["level"], line["request_id"]) == (
        "api_error",
        "error",
        response.headers["X-Request-ID"],
    )
    assert not structlog.is_configured()
    assert (root.handlers, root.level) == before


@pytest.mark.parametrize("cache", [False, True])
def test_43_logs_can_be_captured_and_reconfigured_at_any_time(make_app, lines, cache):
    app = make_app(lambda: abort("user_not_found", user="u1"))
    structlog.configure(cache_logger_on_first_use=cache)
    app.test_client().get("/")
    with structlog.testing.capture_logs() as captured:
        response = app.test_client().get("/")
    (event,) = captured
    assert (event["event"], event["log_level"], event["user"]) == ("api_error", "info", "u1")
    assert event["request_id"] == response.headers["X-Request-ID"]
    other = io.BytesIO()
    configure_logging(stream=other)
    app.test_client().get("/")
    assert len(lines.all()) == 1
    assert len(other.getvalue().splitlines()) == 1


def test_44_local_variables_are_not_in_the_line(make_app, lines):
    def view() -> None:
        password = "hunter" + str(2)
        raise RuntimeError(len(password))

    make_app(view).test_client().get("/")
    assert b"hunter2" not in lines.stream.getvalue()


@pytest.mark.parametrize(
    "secret",
    [
        "postgresql://bob:{}@db/x",
        "password={}",
        "Authorization: Bearer {}",
        "Proxy-Authorization: Token {}",
        "Cookie: a=1; sid={}",
        '{{"api_key": "{}"}}',
        "token='{}'",
    ],
)
def test_44_secrets_in_the_text_of_a_crash_are_not_in_the_line(make_app, lines, secret):
    value = "-".join(["s3cr3t", "s3cr3t", "s3cr3t"])
    error = RuntimeError(secret.format(value))
    error.__cause__ = KeyError(secret.format(value))
    make_app(fails(error)).test_client().get("/", headers={"Authorization": f"Bearer {value}"})
    assert value.encode() not in lines.stream.getvalue()
    assert len(lines.errors()) == 1


@pytest.mark.parametrize("key", ["password", "token", "authorization", "cookie", "api_key"])
def test_44_secrets_in_the_context_are_not_in_the_line(make_app, lines, key):
    value = "-".join(["s3cr3t", "s3cr3t"])
    make_app(lambda: abort("unauthorized", **{key: value}, nested={key: value})).test_client().get("/")
    assert value.encode() not in lines.stream.getvalue()
    assert key in lines.errors()[0]


# --- Threads and processes ---


def test_46_headers_of_another_after_request_are_there_on_errors_too(make_app, envelope):
    def expose(response: Response) -> Response:
        response.headers["Access-Control-Expose-Headers"] = "X-Request-ID, Retry-After"
        return response

    for prepare in (lambda app: app.after_request(expose), lambda app: None):
        app = make_app(fails(lambda: APIError("rate_limit_exceeded", retry_after=3)), prepare=prepare)
        app.after_request(expose)
        headers = envelope(app.test_client().get("/"), 429, "rate_limit_exceeded").headers
        assert headers.getlist("Access-Control-Expose-Headers") == ["X-Request-ID, Retry-After"]


@pytest.mark.parametrize(("view", "break_"), ESCAPES.values(), ids=ESCAPES)
def test_47_the_response_is_started_once_and_without_exc_info(make_app, call_wsgi, lines, view, break_):
    app = make_app(view)
    break_(app)
    answer = call_wsgi(app)
    assert json.loads(b"".join(answer.body))["error"] == "internal_error"
    (start,) = answer.starts
    assert start[0] == "500 INTERNAL SERVER ERROR"
    assert len(start) == 2 or start[2] is None


@pytest.mark.filterwarnings("ignore::wsgiref.validate.WSGIWarning")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    ("view", "break_"),
    [*ESCAPES.values(), (lambda: "fine", lambda app: None), (fails(NotFound), lambda app: None),
     (lambda: iter(["a", "b"]), lambda app: None)],
)  # fmt: skip
def test_47_the_guard_is_a_valid_wsgi_application(make_app, lines, view, break_, method):
    app = make_app(view)
    break_(app)
    response = Client(validator(app.wsgi_app)).open("/", method=method)
    assert response.headers["X-Request-ID"]
    response.close()


REQUESTS: dict[str, Callable[[], Any] | None] = {
    "no request": None,
    "ok": lambda: "fine",
    "abort": fails(lambda: APIError("user_not_found", details={"a": "b"})),
    "validation": lambda: Person().load({}),
    "crash": fails(boom),
    "stream": lambda: iter(["a"]),
    "returned": lambda: APIError("user_not_found"),
}


@pytest.mark.parametrize("keep_extension", [False, True])
@pytest.mark.parametrize("name", REQUESTS)
def test_48_an_app_is_freed_with_its_last_reference(lines, name, keep_extension):
    view = REQUESTS[name]

    def make(extension: APIErrors | None) -> Any:
        app = Flask("app_under_test", static_folder=None)
        if extension is not None:
            extension.map(Mapped, "conflict")
            extension.init_app(app)
        if view is not None:
            app.add_url_rule("/", "view", view)
            app.test_client().get("/").close()
        return weakref.ref(app)

    gc.collect()
    gc.disable()
    try:
        bare = make(None)
        kept = APIErrors() if keep_extension else None
        ours = make(kept or APIErrors())
        # An exception that a handler has seen is in a cycle with its traceback, in Flask alone too.
        freed_by_flask = bare() is None
        assert freed_by_flask or name in ("abort", "validation", "crash")
        assert ours() is None or not freed_by_flask
        gc.collect()
        assert ours() is None
    finally:
        gc.enable()


class Payment(HTTPException):
    code = 402
    description = "Pay first"


class MyAborter(Aborter):
    def __init__(self) -> None:
        super().__init__(extra={599: Conflict, "broke": Payment})

    def __call__(self, code: Any, *args: Any, **kwargs: Any) -> Any:
        super().__call__(404 if code == "gone_fishing" else code, *args, **kwargs)


def test_49_an_own_aborter_keeps_its_meaning_and_knows_our_codes(make_app, envelope):
    def prepare(app: Flask) -> None:
        app.aborter = MyAborter()

    for code, status, expected in [
        (599, 409, "conflict"),
        ("broke", 402, "payment_required"),
        ("gone_fishing", 404, "not_found"),
        ("user_not_found", 404, "user_not_found"),
        (405, 405, "method_not_allowed"),
    ]:
        app = make_app(lambda code=code: flask.abort(code), prepare=prepare)
        assert type(app.aborter) is MyAborter
        envelope(app.test_client().get("/"), status, expected)


def test_49_an_own_aborter_class_is_kept(make_app, envelope):
    class Mine(Flask):
        aborter_class = MyAborter

    app = make_app(lambda: flask.abort("user_not_found"), flask_class=Mine)
    assert type(app.aborter) is MyAborter
    envelope(app.test_client().get("/"), 404, "user_not_found")


def test_49_an_aborter_that_apps_share_does_not_mix_their_codes(make_app, envelope):
    shared = Aborter()

    def prepare(app: Flask) -> None:
        app.aborter = shared

    one, two = APIErrors(), APIErrors()
    one.register("only_one", 409, "Only one")
    two.register("only_two", 409, "Only two")
    app_one = make_app(lambda: flask.abort("only_one"), extension=one, prepare=prepare)
    app_two = make_app(lambda: flask.abort("only_one"), extension=two, prepare=prepare)
    envelope(app_one.test_client().get("/"), 409, "only_one")
    envelope(app_two.test_client().get("/"), 500, "internal_error")


# --- Beyond the list ---


def test_async_views_hooks_and_handlers_are_like_others(make_app, envelope):
    async def view() -> None:
        assert get_request_id() == "async"
        kind = request.args.get("kind")
        if kind == "abort":
            abort("user_not_found", user="u1")
        if kind == "invalid":
            Person().load({})
        if kind == "handled":
            raise KeyError(kind)
        raise RuntimeError("boom")

    async def handler(exc: KeyError) -> APIError:
        return APIError("conflict", cause=exc)

    app = make_app(view)

    @app.before_request
    async def before() -> None:
        assert get_request_id() == "async"
        if "early" in request.args:
            abort("forbidden")

    app.register_error_handler(KeyError, handler)
    for query, status, code in [
        ("kind=abort", 404, "user_not_found"),
        ("kind=invalid", 422, "validation_error"),
        ("kind=crash", 500, "internal_error"),
        ("kind=handled", 409, "conflict"),
        ("early=1", 403, "forbidden"),
    ]:
        response = app.test_client().get(f"/?{query}", headers={"X-Request-ID": "async"})
        assert (response.status_code, response.json["error"]) == (status, code)
        assert response.headers["X-Request-ID"] == "async"


class EvilText(Exception):
    __str__ = __repr__ = fails(boom)  # type: ignore[assignment]


class EvilClass(Exception):
    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("class")


class EvilMeta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(name)


class EvilType(Exception, metaclass=EvilMeta):
    pass


class EvilAttributes(Exception):
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


class EvilNotes(Exception):
    __notes__ = Hostile()
    exceptions = Hostile()


def cyclic_cause() -> Exception:
    one, two = RuntimeError("one"), RuntimeError("two")
    one.__cause__, two.__cause__ = two, one
    return one


def nested_group(depth: int) -> Exception:
    error: Exception = ValueError("innermost")
    for _ in range(depth):
        error = Group("group", [error, KeyError("k")])
    return error


def long_chain(length: int) -> Exception:
    error: Exception = ValueError("first")
    for number in range(length):
        following = RuntimeError(number)
        following.__cause__ = error
        error = following
    return error


def endless() -> None:
    endless()


CRASHES: dict[str, Callable[..., Any]] = {
    "text": fails(EvilText),
    "class": fails(EvilClass),
    "metaclass": fails(EvilType),
    "attributes": fails(EvilAttributes),
    "notes": fails(EvilNotes),
    "cyclic cause": fails(cyclic_cause),
    "group": fails(lambda: nested_group(3)),
    "deep group": fails(lambda: nested_group(500)),
    "wide group": fails(lambda: Group("g", [ValueError("x" * 10_000)] * 5000)),
    "long chain": fails(lambda: long_chain(5000)),
    "long text": fails(lambda: RuntimeError("x" * 20_000_000)),
    "surrogate": fails(lambda: RuntimeError("\ud800")),
    "hostile argument": fails(lambda: RuntimeError(Hostile())),
    "recursion": endless,
    "returns nothing": lambda: None,
    "returns nonsense": lambda: Hostile(),
    "memory": fails(MemoryError),
    "stop": fails(StopIteration),
    "unicode": lambda: b"\xff".decode(),
}


@pytest.mark.parametrize("where", ["view", "teardown", "body", "mapped"])
@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES)
def test_a_crash_of_any_shape_is_one_generic_envelope_and_one_line(make_app, envelope, lines, crash, where):
    def body() -> Iterator[str]:
        crash()
        yield ""

    extension = APIErrors()

    @extension.map(Mapped)
    def convert(exc: Mapped) -> Any:
        return crash()

    view = {"view": crash, "teardown": lambda: "fine", "body": body, "mapped": fails(Mapped)}[where]
    app = make_app(view, extension=extension)
    if where == "teardown":
        app.teardown_request(lambda exc: crash())
    try:
        response = app.test_client().get("/")
    except Exception:
        pytest.fail("the exception escaped", pytrace=False)  # pytest could not show this one
    if crash in (CRASHES["returns nothing"], CRASHES["returns nonsense"]) and where in ("teardown", "body"):
        assert response.status_code == 200
        return
    found = envelope(response, 500, "internal_error")
    assert found.body == {"error": "internal_error", "error_description": CRASH}
    assert found.line["exception"]
    assert len(lines.stream.getvalue()) < 300_000
    assert len(lines.errors()) == 1


class BareWithStatus(APIError):
    code = 404
    error_code = "user_not_found"

    def __init__(self) -> None:
        pass


class BareWithCode(APIError):
    error_code = "user_not_found"

    def __init__(self) -> None:
        pass


class Declared(APIError):
    error_code = "user_not_found"
    description = "Nobody here"


class Own(APIError):
    def __init__(self, user: str) -> None:
        super().__init__("user_not_found", user_id=user)


@pytest.mark.parametrize("returned", [False, True])
@pytest.mark.parametrize("make", [BareWithStatus, BareWithCode, Declared, lambda: Own("u1")])
def test_subclasses_are_raised_and_returned_however_they_are_written(make_app, envelope, make, returned):
    app = make_app((lambda: make()) if returned else fails(make))
    found = envelope(app.test_client().get("/"), 404, "user_not_found")
    assert found.body["error_description"] == ("Nobody here" if make is Declared else "User not found")
    assert "exception" not in found.line


class NothingAtAll(APIError):
    def __init__(self) -> None:
        pass


@pytest.mark.parametrize("returned", [False, True])
def test_a_subclass_that_says_nothing_is_an_internal_error(make_app, envelope, returned):
    envelope(
        make_app((lambda: NothingAtAll()) if returned else fails(NothingAtAll)).test_client().get("/"),
        500,
        "internal_error",
    )


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("error_code", "nonsense"), ("error_code", Hostile), ("error_code", None), ("code", 200), ("code", Hostile),
     ("headers", 5), ("headers", Hostile), ("details", Hostile), ("retry_after", Hostile),
     ("description", Hostile), ("__cause__", None), ("response", None)],
)  # fmt: skip
def test_attributes_that_were_written_over_never_cost_the_envelope(make_app, lines, attribute, value):
    error = APIError("user_not_found")
    setattr(error, attribute, made(value))
    app = make_app(fails(error), prepare=lambda app: None)
    response = app.test_client().get("/")
    assert response.headers["X-Request-ID"]
    if (attribute, value) != ("code", 200):
        assert response.status_code == (500 if attribute in ("error_code", "code") and value else 404)
        assert response.content_type == "application/json"
        assert response.json["error_description"]
        assert len(lines.errors()) == 1


class EvilHTTP(HTTPException):
    code = 409

    def get_headers(self, *args: Any) -> Any:
        raise RuntimeError("headers")

    get_body = get_description = get_response = get_headers


class EvilDescription(HTTPException):
    code = 409

    @property
    def description(self) -> Any:  # type: ignore[override]
        raise RuntimeError("description")

    @description.setter
    def description(self, value: Any) -> None:
        pass


@pytest.mark.parametrize(
    "kind", [EvilHTTP, EvilDescription, lambda: Conflict(Hostile()), lambda: Conflict("x" * 10**7)]
)
def test_an_http_exception_that_raises_keeps_its_status(make_app, envelope, kind):
    envelope(make_app(fails(kind)).test_client().get("/"), 409, "conflict")


@pytest.mark.parametrize(
    "value", ["", "1", "True ", "false", "true", "TRUE", "x" * 100_000, "é", "{}", "a.b", "ImV4cCI.x"]
)
@pytest.mark.parametrize("config", [{}, {"APIERRORS_DEBUG_SECRET": "a secret of many characters"}])
def test_an_x_debug_that_is_not_allowed_is_inert(make_app, value, config):
    client = make_app(fails(boom), **config).test_client()
    plain, debug = (
        client.get("/", headers={"X-Request-ID": "id", **extra})
        for extra in ({}, {"X-Debug": value.encode().decode("latin-1")})
    )
    assert (plain.status, plain.data, sorted(plain.headers)) == (debug.status, debug.data, sorted(debug.headers))


def test_debug_shows_a_hostile_error_without_failing(make_app, envelope):
    app = make_app(fails(EvilText), APIERRORS_DEBUG=True)
    response = app.test_client().post(
        "/", data=b"\xff\xfe", headers={"X-Debug": "true", "Content-Type": "application/json"}
    )
    debug = envelope(response, 500, "internal_error").body["debug"]
    assert "EvilText" in debug["stack_trace"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", debug["timestamp"])


PREFIXES = {"APIERRORS_URL_PREFIXES": ["/api"]}


def prefixed(app: Flask, path: str, view: Callable[..., Any]) -> Flask:
    app.add_url_rule(path, f"at {path}", view)
    return app


@pytest.mark.parametrize("path", ["/apiary", "/", "/other/api", "/API"])
def test_outside_the_prefix_flask_answers_as_it_would_alone(make_app, lines, path):
    app = make_app(**PREFIXES)
    response = app.test_client().get(path)
    alone = Flask("alone", static_folder=None).test_client().get(path)
    assert (response.status, response.data, response.content_type) == (alone.status, alone.data, alone.content_type)
    assert response.headers["X-Request-ID"]
    assert "Cache-Control" not in response.headers
    assert lines.all() == []


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nowhere"])
def test_inside_the_prefix_errors_are_enveloped(make_app, envelope, path):
    envelope(make_app(**PREFIXES).test_client().get(path), 404, "not_found")


@pytest.mark.parametrize(
    "view", [fails(boom), lambda: Person().load({}), fails(Mapped), lambda: flask.abort("user_not_fuond"), endless]
)
def test_outside_the_prefix_a_crash_has_flasks_own_line_and_page(make_app, lines, view):
    extension = APIErrors()
    extension.map(Mapped, "conflict")
    app = prefixed(make_app(extension=extension, **PREFIXES), "/page", view)
    response = app.test_client().get("/page")
    assert (response.status_code, response.mimetype) == (500, "text/html")
    (line,) = lines.all()
    assert (line["event"], line["level"]) == ("Exception on /page [GET]", "error")
    assert line["request_id"] == response.headers["X-Request-ID"]
    assert line["exception"]


@pytest.mark.parametrize("raised", [NotFound, boom, lambda: ValidationError("no"), Mapped])
def test_outside_the_prefix_a_handler_for_exception_gets_what_flask_would_give_it(make_app, lines, raised):
    extension = APIErrors()
    extension.map(Mapped, "conflict")
    app = prefixed(make_app(extension=extension, **PREFIXES), "/page", fails(raised))
    app.register_error_handler(Exception, lambda exc: ("mine", 418))
    response = app.test_client().get("/page")
    assert (response.status_code, response.text) == (418, "mine")
    assert lines.all() == []


def test_outside_the_prefix_what_escapes_flask_escapes_the_guard(make_app, lines):
    app = prefixed(make_app(**PREFIXES), "/page", lambda: "fine")
    app.teardown_request(fails(boom))
    with pytest.raises(RuntimeError, match="boom"):
        app.test_client().get("/page")
    assert app.test_client().get("/api/x").json["error"] == "internal_error"


@pytest.mark.parametrize("returned", [False, True])
def test_outside_the_prefix_an_api_error_keeps_its_status_and_headers(make_app, lines, returned):
    def make() -> APIError:
        return APIError("user_not_found", "No <b>user</b>", headers={"X-Mine": "1"})

    app = prefixed(make_app(**PREFIXES), "/page", (lambda: make()) if returned else fails(make))
    response = app.test_client().get("/page")
    assert (response.status_code, response.mimetype, response.headers["X-Mine"]) == (404, "text/html", "1")
    assert "<b>" not in response.text
    assert lines.all() == []


def test_a_mapped_http_exception_is_mapped(make_app, envelope):
    extension = APIErrors()
    extension.map(MethodNotAllowed, "conflict")
    extension.map(BadRequest, "user_locked")
    app = make_app(lambda: request.form["missing"], extension=extension)
    envelope(app.test_client().put("/"), 409, "conflict")
    envelope(app.test_client().post("/"), 403, "user_locked")


class Converter(BaseConverter):
    def to_python(self, value: str) -> str:
        if value == "crash":
            raise RuntimeError("boom")
        abort("user_not_found", given=value)


@pytest.mark.parametrize(("value", "status", "code"), [("crash", 500, "internal_error"), ("x", 404, "user_not_found")])
def test_errors_of_a_url_converter_are_like_others(make_app, envelope, value, status, code):
    app = make_app()
    app.url_map.converters["mine"] = Converter
    app.add_url_rule("/of/<mine:value>", view_func=lambda value: value)
    envelope(app.test_client().get(f"/of/{value}"), status, code)


@pytest.mark.parametrize(
    "path", ["/%0d%0aX:y", "/%00", "/%ff%fe", "/\u2028", "/" + "x" * 20_000, "/%1b[31m", "//", "/%22"]
)
def test_a_hostile_path_is_one_line_of_json(make_app, envelope, lines, path):
    envelope(make_app().test_client().get(path), 404, "not_found")
    assert len(lines.all()) == 1


@pytest.mark.parametrize("method", ["PROPFIND", "X" * 5000, "A\u00e9"])
def test_a_hostile_method_is_an_enveloped_405(make_app, lines, call_wsgi, method):
    answer = call_wsgi(make_app(lambda: "fine"), REQUEST_METHOD=method)
    body = b"".join(answer.body)
    assert answer.starts[0][0] == "405 METHOD NOT ALLOWED"
    assert json.loads(body)["error"] == "method_not_allowed"
    assert len(lines.all()) == 1


def test_a_response_class_that_raises_does_not_cost_the_envelope(make_app, call_wsgi, lines):
    class Broken(Response):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise RuntimeError("boom")

    app = make_app(lambda: abort("user_not_found"))
    app.response_class = Broken
    answer = call_wsgi(app)
    assert json.loads(b"".join(answer.body))["error"] in ("user_not_found", "internal_error")
    (start,) = answer.starts
    assert [name for name, _ in start[1]].count("X-Request-ID") == 1
    assert "RuntimeError: boom" in str(lines.all())


def test_a_hundred_threads_keep_their_ids_apart(make_app, lines):
    app = make_app(lambda: abort("user_not_found", seen=get_request_id()))

    def work(number: int) -> None:
        for turn in range(5):
            app.test_client().get("/", headers={"X-Request-ID": f"{number}-{turn}"})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = lines.errors()
    assert len({line["request_id"] for line in errors}) == len(errors) == 500
    assert all(line["seen"] == line["request_id"] for line in errors)
