"""The application for any WSGI server; ours (`app/server`) serves `app.asgi:app`."""

from app.factory import create_app
from config.logging import configure_logging
from config.settings import settings_or_exit
from tasks.metrics.fleet import start_reporting
from tasks.tracing.recorder import start_tracing

_settings = settings_or_exit()
configure_logging(_settings.log_level, _settings.log_format)

app = create_app()
start_reporting()
start_tracing()
