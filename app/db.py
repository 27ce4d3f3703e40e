"""The web's session: one a request, on a pool of its own, given back when the request ends."""

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from config.settings import Settings
from models.base import Base
from models.session import engine_options

# What was committed stays readable: reading it again after a commit would hold a connection while
# the broker is spoken to.
db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})


def connect_database(app: Flask, settings: Settings) -> None:
    """Give the application its pool; the first query connects."""
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url.get_secret_value()
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings.database_pool)
    db.init_app(app)
