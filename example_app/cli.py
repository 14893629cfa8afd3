"""The commands of ``python -m example_app``: serve the demo, or make a token."""

import argparse
import logging
import sys
from collections.abc import Sequence

from flask import Flask
from werkzeug.serving import make_server

from flask_apierrors import configure_logging

from . import create_app
from .auth import SCOPES, issue_token
from .sample_data import SAMPLE_POLICY_ID, prepare

DEMO_LIFETIME = 3600

INTRODUCTION = """\
The identity admin API is at {base}/api/admin, its log on standard output.
Paste this token, good for one hour with all scopes, then one of the commands:

  TOKEN={token}

  # the users
  curl -i -H "Authorization: Bearer $TOKEN" {base}/api/admin/users

  # a user that fails validation, one text per field
  curl -i -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
    -d '{{"email": "nobody", "password": "secret"}}' {base}/api/admin/users

  # a crash: the client gets an id, the log gets the traceback under the same id
  curl -i -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
    -d '{{"value": 0}}' {base}/api/admin/policies/{policy}/evaluate

More tokens: python -m example_app token --help

"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name; without one, serve."""
    parser = argparse.ArgumentParser(prog="python -m example_app", description="The example of Flask-APIErrors.")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve at (%(default)s)")
    parser.add_argument("--port", default=5000, type=int, help="port to serve at (%(default)s)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    token = commands.add_parser("token", help="print a bearer token instead of serving")
    token.add_argument("--subject", default="demo-admin", help="whom the token is for (%(default)s)")
    token.add_argument("--scopes", nargs="*", default=SCOPES, metavar="SCOPE", help=f"default: {' '.join(SCOPES)}")
    token.add_argument(
        "--expires",
        default=DEMO_LIFETIME,
        type=int,
        metavar="SECONDS",
        help="lifetime (%(default)s); a negative number makes a token that has expired",
    )
    options = parser.parse_args(arguments)
    if options.command == "token":
        secret = create_app().config["SECRET_KEY"]
        sys.stdout.write(issue_token(secret, options.subject, options.scopes, options.expires) + "\n")
    else:
        serve(options.host, options.port)


def serve(host: str, port: int) -> None:
    """Serve the demo until interrupted. Standard output carries the log and nothing else."""
    configure_logging()
    # Errors are what the demo shows: Werkzeug's access lines, which carry the ids too, would name each a second time.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app = create_app()
    prepare(app)
    server = make_server(host, port, app, threaded=True)
    sys.stderr.write(introduction(app, f"http://{host}:{server.port}"))
    server.serve_forever()


def introduction(app: Flask, base: str) -> str:
    """Return what the demo prints at its start: a token and three commands to paste."""
    token = issue_token(app.config["SECRET_KEY"], "demo-admin", SCOPES, DEMO_LIFETIME)
    return INTRODUCTION.format(base=base, token=token, policy=SAMPLE_POLICY_ID)
