"""flask-smorest's JSON errors; ids and events by hand; crashes through Flask's own logger, as JSON lines."""

import structlog
from flask import Flask, request
from flask_smorest import Api, Blueprint, abort

from benchmarks.candidates._shared import UserSchema, add_request_ids, configure_logging, configure_structlog

CLAIMS = frozenset({"id", "event"})

configure_structlog()
configure_logging()
log = structlog.get_logger()


class LoggingApi(Api):
    def handle_http_exception(self, error):
        if error.code < 500:  # a crash is in the log already
            code = (getattr(error, "data", None) or {}).get("code")
            log.info("api_error", error_code=code, status=error.code, method=request.method, path=request.path)
        return super().handle_http_exception(error)


app = Flask(__name__)
app.config.update(API_TITLE="Users", API_VERSION="1", OPENAPI_VERSION="3.0.3")
add_request_ids(app)
api = LoggingApi(app)
users = Blueprint("users", __name__)


@users.get("/ok")
def ok():
    return {"ok": True}


@users.get("/users/<int:user_id>")
def get_user(user_id):
    abort(404, message="User not found", code="user_not_found")


@users.post("/users")
@users.arguments(UserSchema)
def create_user(user):
    return user


@users.get("/crash")
def crash():
    return {"value": 1 / 0}


api.register_blueprint(users)
