"""The web's database session: one per request, on the process's pool, closed with the request."""

from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from config.settings import Settings
from models.base import Base
from models.session import ask_before_use, get_engine


class Database(SQLAlchemy):
    """Sessions on the engine of `models.session`; Flask-SQLAlchemy would make its own."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        return get_engine()


# Objects stay readable after a commit: reading them again would occupy a connection while the
# broker is called.
db = Database(metadata=Base.metadata, session_options={"expire_on_commit": False})


def autocommit_session() -> Session:
    """The request's session, before its first statement in a transaction that needs no other, or
    only reads: each statement is a transaction of its own, as in `models.session.autocommit`."""
    session = db.session()
    session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    return session


def connect_database(app: Flask, settings: Settings) -> None:
    """Set up the application's sessions; the first query connects."""
    app.config["SQLALCHEMY_DATABASE_URI"] = "postgresql+psycopg://"  # unused: see Database
    ask_before_use(get_engine())
    db.init_app(app)
