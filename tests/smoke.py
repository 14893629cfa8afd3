"""Run against the installed wheel in an empty environment: the thirty seconds of the README, without an extra."""

import io
import json

from flask import Flask

from flask_apierrors import APIErrors, abort, configure_logging

log = io.BytesIO()
configure_logging(stream=log)
app = Flask(__name__)
errors = APIErrors(app)


@app.get("/users/<user_id>")
def get_user(user_id: str) -> str:
    abort("user_not_found", user_id=user_id)


response = app.test_client().get("/users/42")
(line,) = [json.loads(line) for line in log.getvalue().splitlines()]
assert response.status_code == 404, response.status
assert response.json == {"error": "user_not_found", "error_description": "User not found"}, response.json
assert line["event"] == "api_error", line
assert line["user_id"] == "42", line
assert line["request_id"] == response.headers["X-Request-ID"], line
print("The wheel works:", response.status)
