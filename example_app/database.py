"""The database: its engine, transactions, column types, and which constraint an error is about."""

from contextlib import AbstractContextManager
from datetime import datetime, timezone
from typing import Any, cast

from flask import Flask, current_app
from sqlalchemy import CursorResult, DateTime, Dialect, Engine, MetaData, TypeDecorator, create_engine, event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session, sessionmaker
from sqlalchemy.sql.dml import UpdateBase

SQLITE_BUSY_SECONDS = 10


class Base(DeclarativeBase):
    """Base of all models. The constraints have names, by which `violates_unique` knows them on PostgreSQL."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """A time that comes back in UTC, also from SQLite, which forgets the time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(timezone.utc)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(timezone.utc)


def init_app(app: Flask) -> None:
    """Give the app an engine and its sessions. Nothing connects before the first query."""
    url = app.config["DATABASE_URL"]
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_SECONDS})
        event.listen(engine, "connect", _enforce_foreign_keys)
    else:
        engine = create_engine(url, pool_pre_ping=True)
    app.extensions["database"] = sessionmaker(engine, expire_on_commit=False)


def get_engine(app: Flask) -> Engine:
    """Return the app's engine."""
    return cast("Engine", app.extensions["database"].kw["bind"])


def transaction() -> AbstractContextManager[Session]:
    """Open a session that commits at the end of the block, or rolls back if the block raises."""
    return cast("sessionmaker[Session]", current_app.extensions["database"]).begin()


def affected_rows(session: Session, statement: UpdateBase) -> int:
    """Run an UPDATE or DELETE and return how many rows it found."""
    return cast("CursorResult[Any]", session.execute(statement)).rowcount


def violates_unique(error: IntegrityError, column: InstrumentedAttribute[Any]) -> bool:
    """Tell whether the UNIQUE constraint of that one column is what the database refused.

    psycopg names the constraint; SQLite has nothing but a message.
    """
    table, name = column.class_.__tablename__, column.key
    diagnostics = getattr(error.orig, "diag", None)
    if diagnostics is not None:
        return bool(diagnostics.constraint_name == f"uq_{table}_{name}")
    return str(error.orig) == f"UNIQUE constraint failed: {table}.{name}"


def _enforce_foreign_keys(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")  # off in SQLite unless each connection asks
    cursor.close()
