"""What a new database starts with."""

import secrets

from flask import Flask
from sqlalchemy import inspect
from sqlalchemy.orm import Session

from .database import Base, get_engine
from .policies.models import Policy
from .users.models import User
from .users.passwords import hash_password

#: Known in advance, so that documentation and tests can name it.
SAMPLE_POLICY_ID = "pol_00000000000000000000000000000001"

# One process prepares the database, the others wait. Each is released with its transaction.
_LOCKS = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7026002101)"}


def prepare(app: Flask) -> None:
    """Create the tables and the sample data unless they are there; safe in several workers at once."""
    engine = get_engine(app)
    with engine.begin() as connection:
        if lock := _LOCKS.get(engine.dialect.name):
            connection.exec_driver_sql(lock)
        is_new = not inspect(connection).has_table(User.__tablename__)
        Base.metadata.create_all(connection)
        if is_new:
            with Session(connection) as session:
                _add(session)
                session.flush()
    # A server that forks after this point must not share a connection with its workers.
    engine.dispose()


def _add(session: Session) -> None:
    for name in ("Ada Lovelace", "Alan Turing", "Grace Hopper"):
        email = f"{name.split()[0].lower()}@example.com"
        # Nobody knows these passwords: the sample users are there to be listed and changed.
        session.add(User(email=email, name=name, password_hash=hash_password(secrets.token_urlsafe())))
    session.add(Policy(id=SAMPLE_POLICY_ID, name="At most five sign-ins a minute", numerator=60, maximum=5))
