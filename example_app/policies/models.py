"""The table of policies."""

from functools import partial

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base
from ..ids import new_id

ID_PREFIX = "pol"


class Policy(Base):
    """A rule over one number: ``numerator / value <= maximum``."""

    __tablename__ = "policies"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=partial(new_id, ID_PREFIX))
    name: Mapped[str] = mapped_column(String(100))
    numerator: Mapped[float]
    maximum: Mapped[float]
