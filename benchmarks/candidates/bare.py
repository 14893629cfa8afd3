"""Bare Flask: HTML errors, no ids, and for a crash the traceback that Flask itself logs, as text."""

from flask import Flask, abort, request
from marshmallow import ValidationError

from benchmarks.candidates._shared import SCHEMA

CLAIMS = frozenset()

app = Flask(__name__)


@app.get("/ok")
def ok():
    return {"ok": True}


@app.get("/users/<int:user_id>")
def get_user(user_id):
    abort(404)


@app.post("/users")
def create_user():
    try:
        return SCHEMA.load(request.get_json())
    except ValidationError:
        abort(422)


@app.get("/crash")
def crash():
    return {"value": 1 / 0}
