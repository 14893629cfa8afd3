"""The entry point of a WSGI server: ``gunicorn --workers 2 example_app.wsgi:app``."""

from flask_apierrors import configure_logging

from . import create_app
from .sample_data import prepare

# Here and not in create_app: an application has a process of its own here, but not in the tests.
configure_logging()
app = create_app()
prepare(app)
