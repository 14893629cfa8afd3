"""This extension, with orjson installed."""

from flask import Flask, request

from benchmarks.candidates._shared import SCHEMA
from benchmarks.driver import SINK
from flask_apierrors import APIErrors, abort, configure_logging

CLAIMS = frozenset({"id", "event", "envelope"})

configure_logging(stream=SINK)
app = Flask(__name__)
APIErrors(app)


@app.get("/ok")
def ok():
    return {"ok": True}


@app.get("/users/<int:user_id>")
def get_user(user_id):
    abort("user_not_found", user_id=user_id)


@app.post("/users")
def create_user():
    return SCHEMA.load(request.get_json())


@app.get("/crash")
def crash():
    return {"value": 1 / 0}
