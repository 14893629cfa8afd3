"""Logging in one call: what comes out, through which pipe, and what stays as it was."""

import builtins
import importlib.util
import io
import json
import logging
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.logging import default_handler
from loglines import Lines, strict_json
from werkzeug.serving import make_server

import flask_apierrors.jsonbytes
from flask_apierrors import abort, configure_logging

Envelope = Callable[..., SimpleNamespace]
MakeApp = Callable[..., Flask]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "xml"}, "known are json, console"),
        ({"level": "loud"}, "known are debug, info, warning, error, critical"),
        ({"level": 20}, "known are debug"),
    ],
)
def test_a_bad_argument_says_what_is_accepted(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        configure_logging(**arguments)


def test_structlog_and_logging_share_one_pipe(lines: Lines) -> None:
    structlog.get_logger("app").bind(a=1).warning("hello %s", "you", b=2)
    logging.getLogger("library").warning("hello %s", "you", extra={"b": 2}, stack_info=True)
    own, library = lines.all()
    assert (own["event"], own["level"], own["logger"], own["a"], own["b"]) == ("hello you", "warning", "app", 1, 2)
    assert (library["event"], library["level"], library["logger"], library["b"]) == (
        "hello you",
        "warning",
        "library",
        2,
    )
    assert library["stack"].startswith("Stack (most recent call last)")
    for line in (own, library):
        assert list(line)[:3] == ["timestamp", "level", "event"]
        assert line["timestamp"].endswith("Z")


def test_levels_below_the_threshold_are_not_written() -> None:
    lines = Lines()
    configure_logging(level="ERROR", stream=lines.stream)
    structlog.get_logger().warning("no")
    logging.getLogger("x").warning("no")
    structlog.get_logger().error("yes")
    logging.getLogger("x").error("yes")
    assert [line["event"] for line in lines.all()] == ["yes", "yes"]
    assert "logger" not in lines.all()[0]


def test_an_event_below_the_threshold_is_not_written(make_app: MakeApp) -> None:
    lines = Lines()
    configure_logging(level="error", stream=lines.stream)
    app = make_app(lambda: abort(app.config["CODE"]))
    for code in ("user_not_found", "timeout"):
        app.config["CODE"] = code
        app.test_client().get("/")
    assert [line["error_code"] for line in lines.all()] == ["timeout"]


def test_bound_variables_of_a_context_with_very_many(lines: Lines) -> None:
    def log() -> None:
        for number in range(1100):
            ContextVar(f"one of many {number}").set(number)
        structlog.contextvars.bind_contextvars(tenant="acme")
        structlog.contextvars.bind_contextvars(gone=1)
        structlog.contextvars.unbind_contextvars("gone")
        structlog.get_logger().info("hello")

    copy_context().run(log)
    (line,) = lines.all()
    assert line["tenant"] == "acme"
    assert "gone" not in line
    assert "one of many 1" not in line


def test_tracebacks_of_the_applications_own_lines(lines: Lines) -> None:
    log = structlog.get_logger("app")
    try:
        raise OSError("password=hunter22")
    except OSError as exc:
        log.error("by instance", exc_info=exc)
        log.error("by tuple", exc_info=sys.exc_info())
        log.exception("current")
        logging.getLogger("library").exception("library")
    log.info("nothing", exc_info=False)
    log.info("nobody", exc_info=True)
    log.info("odd", exc_info=(1, 2))
    *with_traceback, nothing, nobody, odd = lines.all()
    assert len(with_traceback) == 4
    for line in with_traceback:
        assert line["exception"].endswith("OSError: password=REDACTED")
    for line in (nothing, nobody, odd):
        assert "exception" not in line


def test_processors_run_first_and_may_drop_an_event() -> None:
    def drop(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if event.pop("secret", False):
            raise structlog.DropEvent
        return {**event, "added": True}

    lines = Lines()
    configure_logging(stream=lines.stream, processors=[drop])
    structlog.get_logger().info("dropped", secret=True)
    structlog.get_logger().info("kept")
    structlog.get_logger().info()
    kept, empty = lines.all()
    assert (kept["event"], kept["added"], empty["event"]) == ("kept", True, None)


def test_calling_it_again_doubles_nothing_and_reaches_loggers_that_were_used(make_app: MakeApp) -> None:
    early = structlog.get_logger("early")
    first, second = Lines(), Lines()
    for lines in (first, second):
        configure_logging(stream=lines.stream)
        early.info("hello")
        logging.getLogger("library").warning("hello")
        make_app(lambda: abort("conflict")).test_client().get("/")
    assert [line["event"] for line in first.all()] == ["hello", "hello", "api_error"]
    assert [line["event"] for line in second.all()] == ["hello", "hello", "api_error"]


def test_handlers_of_terminals_and_flasks_own_give_way_and_others_stay(capsys: pytest.CaptureFixture[str]) -> None:
    root, other = logging.getLogger(), logging.StreamHandler(io.StringIO())
    terminal = logging.StreamHandler(sys.stderr)
    app_logger = logging.getLogger("some_app")
    for handler in (other, terminal):
        root.addHandler(handler)
    app_logger.addHandler(default_handler)
    configure_logging()
    assert other in root.handlers
    assert terminal not in root.handlers
    assert default_handler not in app_logger.handlers
    app_logger.warning("once")
    captured = capsys.readouterr()
    assert json.loads(captured.out)["event"] == "once"
    assert captured.err == ""


def only_ours() -> None:
    """Take pytest's own handlers away, which fail a test for such a record."""
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if type(handler).__module__ == "flask_apierrors.logs"]


def test_a_message_whose_arguments_do_not_fit_is_still_a_line(lines: Lines) -> None:
    class Odd:
        def __str__(self) -> str:
            raise ValueError("no text")

    only_ours()
    logging.getLogger("library").warning("%d items", "no number")
    logging.getLogger("library").warning(Odd())
    first, second = lines.all()
    assert first["event"] == "%d items (the arguments do not fit this message)"
    assert second["event"].startswith("<unprintable ")


def test_a_record_that_cannot_be_read_goes_to_logging_itself(lines: Lines, capsys: pytest.CaptureFixture[str]) -> None:
    only_ours()
    logging.getLogger("library").handle(logging.makeLogRecord({"levelname": None, "levelno": 40, "name": "library"}))
    assert lines.all() == []
    assert "Logging error" in capsys.readouterr().err


def test_colours_of_the_development_server_are_left_out(lines: Lines) -> None:
    logging.getLogger("werkzeug").info("\x1b[33mGET / HTTP/1.1\x1b[0m")
    assert lines.all()[0]["event"] == "GET / HTTP/1.1"


def test_the_console_format_is_for_people(make_app: MakeApp) -> None:
    def view() -> Any:
        raise OSError("password=hunter22")

    stream = io.StringIO()
    configure_logging("console", stream=stream)
    make_app(view).test_client().get("/", headers={"X-Request-ID": "abc"})
    logging.getLogger("library").warning("from a library")
    text = stream.getvalue()
    assert "api_error" in text
    assert "request_id=abc" in text
    assert "OSError: password=REDACTED" in text
    assert "from a library" in text
    assert "hunter22" not in text


class Stream(io.StringIO):
    """A text stream that counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return super().write(text)


def test_each_line_is_one_write(make_app: MakeApp) -> None:
    stream = Stream()
    configure_logging(stream=stream)
    make_app(lambda: abort("conflict", text="x" * 20_000)).test_client().get("/")
    structlog.get_logger().info("unicode ünïcødé \u2028")
    assert len(stream.writes) == 2
    assert all(text.endswith("\n") and text.count("\n") == 1 for text in stream.writes)


def test_a_stream_that_fails_changes_nothing_and_the_line_goes_to_standard_error(
    make_app: MakeApp, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = io.BytesIO()
    closed.close()
    configure_logging(stream=closed)
    client = make_app(lambda: abort("conflict")).test_client()
    assert client.get("/").status_code == 409
    assert json.loads(capsys.readouterr().err)["error_code"] == "conflict"
    monkeypatch.setattr(sys, "stderr", None)
    assert client.get("/").status_code == 409


def test_values_that_json_does_not_know_become_text(lines: Lines) -> None:
    class Thing:
        def __repr__(self) -> str:
            return "<thing>"

    class Sly(type):
        def __getattribute__(cls, name: str) -> Any:
            if name == "__qualname__":
                raise ValueError
            return super().__getattribute__(name)

    class Nameless(metaclass=Sly):
        def __repr__(self) -> str:
            raise ValueError

    many: dict[str, Any] = {str(number): [number] for number in range(2000)}
    structlog.get_logger().info(
        "x", thing=Thing(), big=2**70, nan=float("nan"), raw=b"\xff", tuple=(1, {2}), nameless=Nameless(), many=many
    )
    (line,) = lines.all()
    assert (line["thing"], line["big"], line["raw"]) == ("<thing>", str(2**70), "\ufffd")
    assert line["nan"] in (None, "nan")
    assert line["tuple"] == [1, [2]]
    assert line["nameless"] == "<unprintable object>"
    assert len(line["many"]) < 2000
    structlog.get_logger().info("x", many=[Thing()] * 2000)
    assert lines.all()[1]["many"][-1] == "…"


def test_the_standard_library_gives_the_same_json_where_orjson_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(*, orjson: bool) -> Callable[[Any], bytes]:
        if not orjson:
            monkeypatch.setitem(sys.modules, "orjson", None)
        spec = importlib.util.spec_from_file_location("loaded_again", flask_apierrors.jsonbytes.__file__)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.dumps  # type: ignore[no-any-return]

    value = {"a": [1, 2.5, None, True, "ünïcødé\n\x00"], "b": {}}
    with_orjson, without = load(orjson=True), load(orjson=False)
    assert with_orjson(value) == without(value)
    assert strict_json(without(value)) == value
    for bad in ("\ud800", builtins):
        with pytest.raises((TypeError, ValueError)):
            without(bad)


def test_an_unconfigured_structlog_is_left_alone(make_app: MakeApp, capsys: pytest.CaptureFixture[str]) -> None:
    make_app(lambda: abort("conflict")).test_client().get("/")
    assert json.loads(capsys.readouterr().out)["error_code"] == "conflict"
    assert not structlog.is_configured()


def test_the_development_servers_access_line_carries_the_id(make_app: MakeApp, lines: Lines) -> None:
    logging.getLogger("werkzeug").setLevel(logging.NOTSET)
    server = make_server("127.0.0.1", 0, make_app(lambda: abort("conflict")), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        for request_id in ("first", "second"):
            request = urllib.request.Request(f"http://127.0.0.1:{server.port}/", headers={"X-Request-ID": request_id})
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(request, timeout=10)
            with caught.value as response:
                assert response.read()
                assert response.headers["X-Request-ID"] == request_id
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    for request_id in ("first", "second"):
        error, access = [line for line in lines.all() if line["request_id"] == request_id]
        assert (error["logger"], access["logger"]) == ("flask_apierrors", "werkzeug")
        assert '"GET / HTTP/1.1" 409' in access["event"]
