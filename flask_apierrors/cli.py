"""The command group `flask errors`."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import AppGroup

from flask_apierrors.debug import make_debug_token
from flask_apierrors.errors import EXTENSION_KEY

errors_group = AppGroup("errors", help="Work with the error contract of this application.")


@errors_group.command("debug-token")
@click.option(
    "--expires",
    type=click.IntRange(min=1, max=7 * 24 * 3600),
    default=900,
    show_default=True,
    metavar="SECONDS",
    help="How long the token is valid; a week at most.",
)
def debug_token(expires: int) -> None:
    """Print a token for the X-Debug header that opens debug mode until it expires."""
    secret = current_app.extensions[EXTENSION_KEY].settings.debug_secret
    if secret is None:
        raise click.ClickException("APIERRORS_DEBUG_SECRET is not set; set it to text of 16 or more characters.")
    click.echo(make_debug_token(secret, expires))
