"""A small identity admin API: what a whole service looks like with Flask-APIErrors.

Run it with ``python -m example_app``. What belongs to no resource is at the top:

=================  ==================================================================
``config.py``      settings, from the environment
``errors.py``      the extension, and which foreign exceptions become which code
``auth.py``        bearer tokens and the scopes that views ask for
``database.py``    engine, transactions, column types, constraint checks
``schemas.py``     fields and schemas that resources share, reading a request's input
``ids.py``         public identifiers
``sample_data.py`` what a new database starts with
``cli.py``         the commands of ``python -m example_app``
``wsgi.py``        the entry point of a WSGI server
=================  ==================================================================

Each resource is a package: ``models.py`` (its tables), ``schemas.py`` (its input and output), ``service.py`` (what it
does, in transactions) and ``views.py`` (its URLs). To add one, copy ``users/`` and put it into `RESOURCES`.
"""

from collections.abc import Mapping
from typing import Any

from flask import Flask

from . import config, database, policies, users
from .errors import errors

#: URL below ``/api/admin`` and package of each resource.
RESOURCES = {"users": users, "policies": policies}


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """Build the application; the database is untouched until `sample_data.prepare` or the first request.

    Args:
        overrides: Flask config keys that win over the environment, e.g. ``DATABASE_URL`` in tests.
    """
    app = Flask(__name__, static_folder=None)
    config.load(app, overrides or {})
    errors.init_app(app)
    database.init_app(app)
    for name, resource in RESOURCES.items():
        app.register_blueprint(resource.blueprint, url_prefix=f"/api/admin/{name}")
    return app
