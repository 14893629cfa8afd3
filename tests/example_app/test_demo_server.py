"""The example over a real socket: each error's response, and its one line on the server's standard output.

The same cases run against the demo (``python -m example_app``) and against gunicorn with two workers.
"""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import example_app

ROOT = Path(example_app.__file__).parents[1]
START_SECONDS = 30

USERS = "/api/admin/users"
UNKNOWN_USER = USERS + "/usr_" + "0" * 32
EVALUATE = "/api/admin/policies/pol_00000000000000000000000000000001/evaluate"
PASSWORD = "smalltalk 1972"
VALID_USER = {"email": "kay@example.com", "name": "Alan Kay", "password": PASSWORD}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def request_id(self) -> str:
        ids = self.headers.get_all("X-Request-ID")
        assert ids is not None
        assert len(ids) == 1
        return ids[0]


class Server:
    """A server in a process of its own, in a directory of its own, with its output in files."""

    def __init__(self, arguments: list[str], directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port
        unwanted = ("DATABASE_URL", "EXAMPLE_", "APIERRORS_", "GUNICORN_", "FLASK_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        self.environment["PYTHONPATH"] = str(ROOT)
        self.environment["XDG_RUNTIME_DIR"] = str(directory)  # where gunicorn 25 and later put a control socket
        with self.output.open("wb") as stdout, self.messages.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *arguments], cwd=directory, env=self.environment, stdout=stdout, stderr=stderr
            )

    @property
    def output(self) -> Path:
        return self.directory / "stdout"

    @property
    def messages(self) -> Path:
        return self.directory / "stderr"

    def wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"the server does not answer\n{self.output.read_text()}\n{self.messages.read_text()}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def call(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def command(self, *arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "example_app", *arguments],
            cwd=self.directory,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def lines(self) -> list[dict[str, Any]]:
        """Return what is on standard output, which is JSON and nothing else."""
        complete = self.output.read_bytes().split(b"\n")[:-1]
        lines = [json.loads(line) for line in complete]
        assert all(isinstance(line, dict) for line in lines)
        return lines

    def events(self) -> list[dict[str, Any]]:
        """Return the lines about errors; no request has two of them."""
        events = [line for line in self.lines() if line["event"] == "api_error"]
        assert set(Counter(line["request_id"] for line in events).values()) <= {1}
        return events

    def event(self, request_id: str) -> dict[str, Any]:
        """Return the one line about that request's error, which may come a moment after the response."""
        end = time.monotonic() + 5
        while True:
            events = [line for line in self.events() if line["request_id"] == request_id]
            if events or time.monotonic() > end:
                (event,) = events
                return event
            time.sleep(0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module", params=["demo", "gunicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port = free_port()
    arguments = {
        "demo": ["example_app", "--port", str(port)],
        "gunicorn": ["gunicorn", "--workers", "2", "--bind", f"127.0.0.1:{port}", "example_app.wsgi:app"],
    }
    server = Server(arguments[request.param], tmp_path_factory.mktemp(request.param), port)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def tokens(server: Server) -> dict[str, str]:
    """Made by the command, as a reader of the documentation would, in the directory of the server's secret."""
    return {
        "all": server.command("token"),
        "read": server.command("token", "--scopes", "users:read"),
        "expired": server.command("token", "--expires", "-60"),
    }


@dataclass(frozen=True)
class Case:
    method: str
    path: str
    status: int
    code: str
    description: str
    level: str = "info"
    route: str | None = "/api/admin/users"
    token: str | None = "all"
    body: object = None
    content_type: str = "application/json"
    details: dict[str, str] = field(default_factory=dict)
    #: Header to a pattern for all of its value.
    headers: dict[str, str] = field(default_factory=dict)


CASES = {
    "unknown URL": Case("GET", "/nowhere", 404, "not_found", "Resource not found", route=None, token=None),
    "wrong method": Case(
        "PUT",
        UNKNOWN_USER,
        405,
        "method_not_allowed",
        ".+",
        route=None,
        headers={"Allow": "(?=.*GET)(?=.*PATCH)(?=.*DELETE)(?!.*PUT).*"},
    ),
    "malformed JSON": Case("POST", USERS, 400, "invalid_json", "Invalid JSON in request body", body=b'{"email": '),
    "wrong content type": Case(
        "POST",
        USERS,
        415,
        "unsupported_media_type",
        ".+",
        body=b"a=b",
        content_type="application/x-www-form-urlencoded",
    ),
    "invalid user": Case(
        "POST",
        USERS,
        422,
        "validation_error",
        "Invalid input data",
        body={"email": "nobody", "password": PASSWORD},
        details={"email": "Please enter a valid email address", "name": "Name is required"},
    ),
    "invalid email alone": Case(
        "POST",
        USERS,
        422,
        "invalid_email",
        "Invalid email address format",
        body=VALID_USER | {"email": "nobody"},
        details={"email": "Please enter a valid email address"},
    ),
    "invalid password alone": Case(
        "POST",
        USERS,
        422,
        "invalid_password",
        "Password does not meet requirements",
        body=VALID_USER | {"password": "Password1234"},
        details={"password": "Password is one of the most common ones."},
    ),
    "duplicate email": Case(
        "POST",
        USERS,
        409,
        "email_already_exists",
        "Email address is already in use",
        body=VALID_USER | {"email": "Ada@Example.com"},
    ),
    "no token": Case(
        "GET",
        USERS,
        401,
        "unauthorized",
        "Authentication token is invalid or expired",
        level="warning",
        token=None,
        headers={"WWW-Authenticate": "Bearer (?!.*error=).+"},
    ),
    "garbage token": Case(
        "GET",
        USERS,
        401,
        "unauthorized",
        "Authentication token is invalid or expired",
        level="warning",
        token="garbage",
        headers={"WWW-Authenticate": 'Bearer .*error="invalid_token".*'},
    ),
    "expired token": Case(
        "GET",
        USERS,
        401,
        "token_expired",
        "Token has expired",
        level="warning",
        token="expired",
        headers={"WWW-Authenticate": 'Bearer .*error="invalid_token".*'},
    ),
    "missing scope": Case(
        "POST",
        USERS,
        403,
        "insufficient_scope",
        "Required scope is missing",
        level="warning",
        token="read",
        body=VALID_USER,
        details={"scope": "users:write"},
        headers={"WWW-Authenticate": '(?=.*scope="users:write")Bearer .*error="insufficient_scope".*'},
    ),
    "unknown user": Case(
        "GET", UNKNOWN_USER, 404, "user_not_found", "User not found", route="/api/admin/users/<user_id>"
    ),
    "crash": Case(
        "POST",
        EVALUATE,
        500,
        "internal_error",
        r"An internal error occurred\. Please try again later\.",
        level="error",
        route="/api/admin/policies/<policy_id>/evaluate",
        body={"value": 0},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_error(server: Server, tokens: dict[str, str], case: Case) -> None:
    headers = {}
    if case.token is not None:
        headers["Authorization"] = f"Bearer {tokens.get(case.token, case.token)}"
    body = case.body
    if body is not None:
        headers["Content-Type"] = case.content_type
        body = body if isinstance(body, bytes) else json.dumps(body).encode()

    answer = server.call(case.method, case.path, headers, body)

    assert answer.status == case.status, answer.body
    expected = ["error", "error_description"] + (["details"] if case.details else [])
    assert list(answer.json) == expected
    assert answer.json["error"] == case.code
    assert re.fullmatch(case.description, answer.json["error_description"])
    assert answer.json.get("details", {}) == case.details
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    for name in ("Allow", "WWW-Authenticate"):
        assert re.fullmatch(case.headers.get(name, ""), answer.headers.get(name, "")), answer.headers
    assert re.fullmatch("req_[0-9A-Za-z]{1,26}", answer.request_id)

    event = server.event(answer.request_id)
    assert event["error_code"] == case.code
    assert event["status"] == case.status
    assert event["level"] == case.level
    assert (event["method"], event["path"]) == (case.method, case.path)
    assert event["route"] == case.route
    assert event.get("details", []) == [{"path": path, "message": text} for path, text in case.details.items()]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", event["timestamp"])
    if case.code == "internal_error":
        assert "ZeroDivisionError" in json.dumps(event["exception"])
        assert b"ZeroDivision" not in answer.body
    else:
        assert "exception" not in event


def test_success_has_an_id_and_no_event(server: Server, tokens: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {tokens['all']}", "Content-Type": "application/json"}
    created = server.call("POST", USERS, headers, json.dumps(VALID_USER).encode())
    assert created.status == 201
    read = server.call("GET", created.headers["Location"], headers)
    assert (read.status, read.json) == (200, created.json)
    deleted = server.call("DELETE", created.headers["Location"], headers)
    assert (deleted.status, deleted.body) == (204, b"")
    ids = {created.request_id, read.request_id, deleted.request_id}
    assert len(ids) == 3
    assert not ids & {event["request_id"] for event in server.events()}
    # The service's own lines have the id too.
    assert {"event": "user_created", "user_id": created.json["id"], "request_id": created.request_id}.items() <= next(
        line for line in server.lines() if line["event"] == "user_created" and line["user_id"] == created.json["id"]
    ).items()


def test_inbound_id_is_kept(server: Server) -> None:
    answer = server.call("GET", "/nowhere", {"X-Request-ID": "trace-1"})
    assert answer.request_id == "trace-1"
    assert server.event("trace-1")["error_code"] == "not_found"


def test_body_over_the_limit_is_refused_before_it_is_read(server: Server, tokens: dict[str, str]) -> None:
    headers = {
        "Authorization": f"Bearer {tokens['all']}",
        "Content-Type": "application/json",
        "Content-Length": str(100 * 1024 * 1024),
    }
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.putrequest("POST", USERS)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
    finally:
        connection.close()
    assert (answer.status, answer.json["error"]) == (413, "payload_too_large")
    assert server.event(answer.request_id)["error_code"] == "payload_too_large"


def test_of_many_at_once_one_gets_the_address(server: Server, tokens: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {tokens['all']}", "Content-Type": "application/json"}
    body = json.dumps(VALID_USER | {"email": "popular@example.com"}).encode()
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: server.call("POST", USERS, headers, body), range(30)))
    assert Counter(answer.status for answer in answers) == {201: 1, 409: 29}
    assert {answer.json["error"] for answer in answers if answer.status == 409} == {"email_already_exists"}
    for answer in answers:
        if answer.status == 409:
            assert server.event(answer.request_id)["error_code"] == "email_already_exists"


def test_log_has_no_secrets(server: Server, tokens: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {tokens['all']}", "Content-Type": "application/json"}
    answers = [
        server.call("POST", EVALUATE, headers, json.dumps({"value": 0}).encode()),
        server.call("POST", USERS, headers, json.dumps({"email": "nobody", "password": PASSWORD}).encode()),
    ]
    for answer in answers:
        server.event(answer.request_id)
    log = server.output.read_text()
    assert PASSWORD not in log
    assert (server.directory / "example.secret").read_text() not in log
    assert not [name for name, token in tokens.items() if token in log]


@pytest.mark.parametrize("server", ["demo"], indirect=True)
class TestDemo:
    def introduction(self, server: Server) -> str:
        end = time.monotonic() + 5
        while "More tokens:" not in (text := server.messages.read_text()) and time.monotonic() < end:
            time.sleep(0.05)
        return text

    def test_token_of_the_introduction(self, server: Server) -> None:
        found = re.search("TOKEN=(.+)", self.introduction(server))
        assert found is not None
        answer = server.call("GET", USERS, {"Authorization": f"Bearer {found[1]}"})
        assert answer.status == 200
        assert answer.json["total"] >= 3

    @pytest.mark.skipif(not shutil.which("curl") or not shutil.which("sh"), reason="needs curl and a shell")
    def test_commands_of_the_introduction(self, server: Server) -> None:
        text = self.introduction(server)
        commands = text[text.index("  TOKEN=") : text.index("More tokens:")]
        pasted = subprocess.run(
            ["sh", "-e"],
            input=commands,
            env=self.environment(server),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert re.findall(r"^HTTP/1\.\d (\d+)", pasted, re.MULTILINE) == ["200", "422", "500"]
        ids = re.findall(r"^X-Request-ID: (\S+)", pasted, re.MULTILINE | re.IGNORECASE)
        assert len(ids) == 3
        assert [server.event(request_id)["error_code"] for request_id in ids[1:]] == [
            "validation_error",
            "internal_error",
        ]

    def environment(self, server: Server) -> dict[str, str]:
        proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        return {name: value for name, value in server.environment.items() if name.upper() not in proxies}
