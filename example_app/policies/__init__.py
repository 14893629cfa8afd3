"""Policies: rules that the identity service evaluates."""

from .views import blueprint

__all__ = ["blueprint"]
