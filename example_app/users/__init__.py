"""Users: the people of the identity service."""

from .views import blueprint

__all__ = ["blueprint"]
