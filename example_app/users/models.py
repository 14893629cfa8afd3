"""The table of users."""

from datetime import datetime
from functools import partial

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base, UtcDateTime, utc_now
from ..ids import new_id

ID_PREFIX = "usr"


class User(Base):
    """A person with an email address that nobody else has."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=partial(new_id, ID_PREFIX))
    #: Normalised by the schema, so that the constraint holds whatever the case.
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)
