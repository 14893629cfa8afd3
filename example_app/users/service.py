"""What can be done with users. Each function is one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from flask_apierrors import abort

from ..database import affected_rows, transaction, violates_unique
from ..ids import is_id
from .models import ID_PREFIX, User
from .passwords import hash_password

log = structlog.get_logger(__name__)


def create(data: dict[str, Any]) -> User:
    """Store a new user."""
    user = User(**_columns(data))
    with _unique_email(), transaction() as session:
        session.add(user)
    log.info("user_created", user_id=user.id)
    return user


def read(user_id: str) -> User:
    """Return one user."""
    with transaction() as session:
        return _find(session, user_id)


def read_page(page: int, per_page: int) -> tuple[list[User], int]:
    """Return one page of the users, oldest first, and how many there are in all."""
    statement = select(User).order_by(User.created_at, User.id).limit(per_page).offset((page - 1) * per_page)
    with transaction() as session:
        total = session.scalars(select(func.count()).select_from(User)).one()
        return list(session.scalars(statement)), total


def change(user_id: str, data: dict[str, Any]) -> User:
    """Change the given fields of a user and leave the others as they are."""
    columns = _columns(data)
    with _unique_email(), transaction() as session:
        # One UPDATE instead of a read and a write: between the two another request could delete the user.
        if columns and is_id(ID_PREFIX, user_id):
            session.execute(update(User).where(User.id == user_id).values(columns))
        user = _find(session, user_id)
    log.info("user_changed", user_id=user_id, fields=sorted(data))
    return user


def remove(user_id: str) -> None:
    """Delete a user."""
    with transaction() as session:
        statement = delete(User).where(User.id == user_id)
        if not is_id(ID_PREFIX, user_id) or affected_rows(session, statement) == 0:
            abort("user_not_found", user_id=user_id)
    log.info("user_removed", user_id=user_id)


def _find(session: Session, user_id: str) -> User:
    user = session.get(User, user_id) if is_id(ID_PREFIX, user_id) else None
    if user is None:
        abort("user_not_found", user_id=user_id)
    return user


def _columns(data: dict[str, Any]) -> dict[str, Any]:
    """Turn input into columns. Hashing takes its time, so it happens before a transaction is open."""
    columns = {name: value for name, value in data.items() if name != "password"}
    if "password" in data:
        columns["password_hash"] = hash_password(data["password"])
    return columns


@contextmanager
def _unique_email() -> Iterator[None]:
    """Turn the database's refusal of a second user with the same address into its code.

    The constraint decides, not a SELECT before the write: of two requests at once both would find nothing.
    """
    try:
        yield
    except IntegrityError as error:
        if violates_unique(error, User.email):
            abort("email_already_exists", cause=error)
        raise
