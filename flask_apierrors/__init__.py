"""Every error of a Flask API as one JSON envelope, one request id and one JSON log line."""

from __future__ import annotations

from flask_apierrors.catalog import Catalog, ErrorCode, UnknownErrorCode
from flask_apierrors.codes import DEFAULT_CATALOG
from flask_apierrors.errors import APIError, abort
from flask_apierrors.extension import APIErrors
from flask_apierrors.logs import configure_logging
from flask_apierrors.report import Report
from flask_apierrors.requestid import get_request_id
from flask_apierrors.settings import ConfigurationError
from flask_apierrors.signals import error_handled

__all__ = [
    "DEFAULT_CATALOG",
    "APIError",
    "APIErrors",
    "Catalog",
    "ConfigurationError",
    "ErrorCode",
    "Report",
    "UnknownErrorCode",
    "abort",
    "configure_logging",
    "error_handled",
    "get_request_id",
]
