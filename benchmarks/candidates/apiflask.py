"""APIFlask's JSON errors; ids and events by hand; crashes through Flask's own logger, as JSON lines."""

import structlog
from apiflask import APIFlask, HTTPError
from flask import request

from benchmarks.candidates._shared import UserSchema, add_request_ids, configure_logging, configure_structlog

CLAIMS = frozenset({"id", "event"})

configure_structlog()
configure_logging()
log = structlog.get_logger()
app = APIFlask(__name__)
add_request_ids(app)


class UserNotFound(HTTPError):
    status_code = 404
    message = "User not found"
    extra_data = {"code": "user_not_found"}  # noqa: RUF012 - how APIFlask documents it


@app.error_processor
def on_error(error):
    if error.status_code < 500:  # a crash is in the log already
        code = error.extra_data.get("code")
        log.info("api_error", error_code=code, status=error.status_code, method=request.method, path=request.path)
    return {"message": error.message, "detail": error.detail, **error.extra_data}, error.status_code, error.headers


@app.get("/ok")
def ok():
    return {"ok": True}


@app.get("/users/<int:user_id>")
def get_user(user_id):
    raise UserNotFound


@app.post("/users")
@app.input(UserSchema)
def create_user(json_data):
    return json_data


@app.get("/crash")
def crash():
    return {"value": 1 / 0}
