"""The same job by hand: Flask's hooks and error handlers, jsonify, structlog as its documentation sets it up."""

import structlog
from flask import Flask, Request, jsonify, request
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from benchmarks.candidates._shared import SCHEMA, add_request_ids, configure_structlog

CLAIMS = frozenset({"id", "event", "envelope"})

configure_structlog()
log = structlog.get_logger()


class ApiError(Exception):
    def __init__(self, status, code, description, **context):
        self.status, self.code, self.description, self.context = status, code, description, context


class JSONRequest(Request):
    def on_json_loading_failed(self, e):
        if e is None:  # not malformed: the content type is wrong
            return super().on_json_loading_failed(e)
        raise ApiError(400, "invalid_json", "Invalid JSON in request body")


app = Flask(__name__)
app.request_class = JSONRequest
add_request_ids(app)


def level(status):
    if status >= 500:
        return "error"
    return "warning" if status in (401, 403, 429) else "info"


def fail(status, code, description, details=None, headers=(), **fields):
    if details:
        fields["details"] = [{"path": path, "message": message} for path, message in details.items()]
    getattr(log, level(status))(
        "api_error",
        error_code=code,
        status=status,
        method=request.method,
        path=request.path,
        route=request.url_rule and request.url_rule.rule,
        description=description,
        **fields,
    )
    envelope = {"error": code, "error_description": description}
    if details:
        envelope["details"] = details
    response = jsonify(envelope)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    response.headers.extend(headers)
    return response


@app.errorhandler(ApiError)
def on_api_error(exc):
    return fail(exc.status, exc.code, exc.description, **exc.context)


@app.errorhandler(ValidationError)
def on_validation_error(exc):
    details = {field: " ".join(messages) for field, messages in exc.messages.items()}
    return fail(422, "validation_error", "Invalid input data", details)


@app.errorhandler(HTTPException)
def on_http_error(exc):
    headers = [(name, value) for name, value in exc.get_headers() if name != "Content-Type"]
    return fail(exc.code, exc.name.lower().replace(" ", "_"), exc.description, headers=headers)


@app.errorhandler(Exception)
def on_crash(exc):
    description = "An internal error occurred. Please try again later."
    return fail(500, "internal_error", description, exc_info=exc)


@app.get("/ok")
def ok():
    return {"ok": True}


@app.get("/users/<int:user_id>")
def get_user(user_id):
    raise ApiError(404, "user_not_found", "User not found", user_id=user_id)


@app.post("/users")
def create_user():
    return SCHEMA.load(request.get_json())


@app.get("/crash")
def crash():
    return {"value": 1 / 0}
