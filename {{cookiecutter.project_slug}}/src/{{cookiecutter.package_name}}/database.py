"""The engine, and the session that a request works in."""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.orm import Session, sessionmaker


class Database:
    """The service's database. Nothing is imported or connected before the first session."""

    def __init__(self, url: str) -> None:
        """Take a URL of SQLAlchemy's or libpq's form; PostgreSQL is always reached through psycopg 3."""
        parsed = make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.url = parsed

    @cached_property
    def engine(self) -> Engine:
        """The pool of connections; one that died in the meantime is replaced when it is taken."""
        return create_engine(self.url, pool_pre_ping=True, connect_args={"connect_timeout": 5})

    @cached_property
    def sessions(self) -> sessionmaker[Session]:
        """Opens sessions on the engine."""
        return create_sessionmaker(self.engine)

    def dispose(self) -> None:
        """Close the connections, if there are any."""
        if "engine" in self.__dict__:
            self.engine.dispose()


def create_sessionmaker(bind: Engine | Connection) -> sessionmaker[Session]:
    """Return what opens the service's sessions on `bind`."""
    return sessionmaker(bind)


def get_session(request: Request) -> Iterator[Session]:
    """Give the request a session. What isn't committed by its end is rolled back."""
    database: Database = request.app.state.database
    with database.sessions() as session:
        yield session


RequestSession = Annotated[Session, Depends(get_session)]
