"""The web's session: one a request, on the process's one pool, given back when the request ends."""

from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine

from config.settings import Settings
from models.base import Base
from models.session import ask_before_use, get_engine


class Database(SQLAlchemy):
    """Sessions on the engine of `models.session`, instead of one of Flask-SQLAlchemy's own."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        return get_engine()


# What was committed stays readable: reading it again after a commit would hold a connection while
# the broker is spoken to.
db = Database(metadata=Base.metadata, session_options={"expire_on_commit": False})


def connect_database(app: Flask, settings: Settings) -> None:
    """Give the application its sessions; the first query connects."""
    app.config["SQLALCHEMY_DATABASE_URI"] = "postgresql+psycopg://"  # unused: see Database
    ask_before_use(get_engine())
    db.init_app(app)
