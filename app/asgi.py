"""The application for our server (`app/server`); any other serves `app.wsgi:app`."""

from app.server.bridge import Bridge
from app.wsgi import app as wsgi_app
from config.settings import get_settings

app = Bridge(wsgi_app, get_settings())
