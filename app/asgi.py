"""What our own server serves (app/http); `app.wsgi:app` is for any other."""

from app.server.bridge import Bridge
from app.wsgi import app as wsgi_app
from config.settings import get_settings

app = Bridge(wsgi_app, get_settings())
