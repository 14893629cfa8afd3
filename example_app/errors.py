"""The extension, and the exceptions of other libraries that have a code."""

from sqlalchemy.exc import OperationalError

from flask_apierrors import APIErrors

errors = APIErrors()

# The database is gone, locked or read-only: nothing the caller did, and nothing a view could do about it.
errors.map(OperationalError, "database_error")
