"""The same assertions over errors raised in every place that a Flask app has."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Blueprint, Flask, g, render_template_string, stream_with_context
from loglines import Lines
from werkzeug.routing import BaseConverter

from flask_apierrors import APIErrors, abort

Fail = Callable[[], Any]


def in_view(app: Flask, fail: Fail) -> None:
    app.add_url_rule("/there", view_func=lambda: fail())


def in_async_view(app: Flask, fail: Fail) -> None:
    @app.get("/there")
    async def view() -> Any:
        return fail()


def in_blueprint(app: Flask, fail: Fail) -> None:
    blueprint = Blueprint("one", __name__)
    blueprint.add_url_rule("/there", view_func=lambda: fail())
    app.register_blueprint(blueprint)


def in_nested_blueprint(app: Flask, fail: Fail) -> None:
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)
    inner.add_url_rule("/there", view_func=lambda: fail())
    outer.register_blueprint(inner)
    app.register_blueprint(outer)


def in_before_request(app: Flask, fail: Fail) -> None:
    app.add_url_rule("/there", view_func=lambda: "unreached")
    app.before_request(lambda: fail())


def in_after_request(app: Flask, fail: Fail) -> None:
    app.add_url_rule("/there", view_func=lambda: "lost")

    @app.after_request
    def after(response: Any) -> Any:
        if not hasattr(g, "failed"):  # it runs again for the response to its own failure
            g.failed = True
            fail()
        return response


def in_teardown_request(app: Flask, fail: Fail) -> None:
    app.add_url_rule("/there", view_func=lambda: "lost")
    app.teardown_request(lambda exc: fail())


def in_url_converter(app: Flask, fail: Fail) -> None:
    class Failing(BaseConverter):
        def to_python(self, value: str) -> Any:
            return fail()

    app.url_map.converters["failing"] = Failing
    app.add_url_rule("/<failing:place>", view_func=lambda place: "unreached")


def in_template(app: Flask, fail: Fail) -> None:
    app.add_url_rule("/there", view_func=lambda: render_template_string("{{ fail() }}", fail=fail))


def in_streamed_body(app: Flask, fail: Fail) -> None:
    def body() -> Iterator[str]:
        yield fail()

    app.add_url_rule("/there", view_func=lambda: body())


def in_streamed_body_with_context(app: Flask, fail: Fail) -> None:
    @stream_with_context
    def body() -> Iterator[str]:
        yield fail()

    app.add_url_rule("/there", view_func=lambda: app.response_class(body()))


def in_error_handler(app: Flask, fail: Fail) -> None:
    @app.get("/there")
    def view() -> Any:
        raise KeyError("an expected one")

    app.register_error_handler(KeyError, lambda exc: fail())


def in_handler_of_crashes(app: Flask, fail: Fail) -> None:
    @app.get("/there")
    def view() -> Any:
        raise KeyError("an unexpected one")

    app.register_error_handler(500, lambda exc: fail())


PLACES = [value for name, value in list(globals().items()) if name.startswith("in_")]
#: In these Flask knows no URL rule yet.
WITHOUT_ROUTE = {in_url_converter}


def expected() -> Any:
    abort("user_not_found", "There is no such user", user_id=42)


def crash() -> Any:
    raise RuntimeError("secret of the crash")


@pytest.fixture
def there(request: pytest.FixtureRequest) -> Callable[[Fail], Any]:
    """Get `/there` of an app that fails in the place of this test."""
    place: Callable[[Flask, Fail], None] = request.param

    def get(fail: Fail) -> Any:
        app = Flask(__name__, static_folder=None)
        APIErrors(app)
        place(app, fail)
        return app.test_client().get("/there")

    return get


@pytest.mark.parametrize("there", PLACES, indirect=True, ids=lambda place: place.__name__)
def test_an_abort_is_its_code(
    there: Callable[[Fail], Any], envelope: Callable[..., SimpleNamespace], lines: Lines, request: Any
) -> None:
    error = envelope(there(expected), 404, "user_not_found")
    assert error.body == {"error": "user_not_found", "error_description": "There is no such user"}
    assert error.line["level"] == "info"
    assert error.line["user_id"] == 42
    assert (error.line["method"], error.line["path"]) == ("GET", "/there")
    assert error.line["route"] == (None if request.node.callspec.params["there"] in WITHOUT_ROUTE else "/there")
    assert "exception" not in error.line
    assert len(lines.errors()) == 1


@pytest.mark.parametrize("there", PLACES, indirect=True, ids=lambda place: place.__name__)
def test_a_crash_says_nothing_to_the_client_and_all_to_the_log(
    there: Callable[[Fail], Any], envelope: Callable[..., SimpleNamespace], lines: Lines, request: Any
) -> None:
    response = there(crash)
    error = envelope(response, 500, "internal_error")
    assert error.body == {
        "error": "internal_error",
        "error_description": "An internal error occurred. Please try again later.",
    }
    assert b"secret" not in response.data
    assert error.line["level"] == "error"
    assert (error.line["method"], error.line["path"]) == ("GET", "/there")
    assert error.line["route"] == (None if request.node.callspec.params["there"] in WITHOUT_ROUTE else "/there")
    assert error.line["exception"].endswith("RuntimeError: secret of the crash")
    assert "in crash" in error.line["exception"]
    assert len(lines.errors()) == 1
