"""Flower's settings: Python that Flower runs because of `--conf`. Read-only and authenticated.

Flower's own authentication leaves out `/metrics`, `/healthcheck`, `/static` and OPTIONS requests,
and its read-only mode is checked per handler. So every request passes one gate before it is
routed: it requires the password, and allows reading only.
"""

import binascii
import hmac
from base64 import b64decode
from logging import ERROR, getLogger
from typing import Any, cast

from celery import current_app
from flower.app import Flower
from flower.views.tasks import TasksDataTable
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.web import Application, ErrorHandler

from config.environ import variable
from config.flower_environ import check_flower_port
from config.flower_headers import secured
from config.flower_sentinels import use_all_sentinels
from config.logging import configure_logging
from config.minds import get_minds
from config.misspelled import warn_of_misspelled
from config.settings import Settings, SettingsError, refuse_start, settings_or_exit


class Unauthorized(ErrorHandler):
    """A handler that answers 401."""

    def set_default_headers(self) -> None:
        """Make a browser prompt for the password."""
        self.set_header("WWW-Authenticate", 'Basic realm="flower", charset="UTF-8"')


class Gate:
    """The check that each request passes before Flower sees it."""

    def __init__(self, user_and_password: str) -> None:
        self._expected = user_and_password.encode()

    def find_handler(
        self, flower: Application, request: HTTPServerRequest, **kwargs: Any
    ) -> HTTPMessageDelegate:
        """The request's handler: a refusal, or Flower's own choice."""
        if not self._is_authenticated(request):
            return flower.get_handler_delegate(request, secured(Unauthorized), {"status_code": 401})
        found: Any = Application.find_handler(flower, request, **kwargs)
        if not _only_reads(request, found):
            return flower.get_handler_delegate(request, secured(ErrorHandler), {"status_code": 403})
        found.handler_class = secured(found.handler_class)
        return cast(HTTPMessageDelegate, found)

    def _is_authenticated(self, request: HTTPServerRequest) -> bool:
        return hmac.compare_digest(
            _credentials(request.headers.get("Authorization", "")), self._expected
        )


def _credentials(header: str) -> bytes:
    """The `user:password` of a header; empty if it has none. The scheme's case and extra spaces
    don't matter (RFC 9110, 11.4); padding is optional."""
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "basic":
        return b""
    try:
        return b64decode(token + "=" * (-len(token) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _only_reads(request: HTTPServerRequest, found: HTTPMessageDelegate) -> bool:
    # The table of tasks is fetched with POST, since its query is long.
    table = getattr(found, "handler_class", None) is TasksDataTable
    return request.method in ("GET", "HEAD") or (table and request.method == "POST")


def _user_and_password(settings: Settings) -> str:
    if settings.flower_basic_auth is None:
        refuse_start(
            "FLOWER_BASIC_AUTH: is missing; set FLOWER_BASIC_AUTH=<user>:<password>, "
            "with a password of at least 8 characters"
        )
    return settings.flower_basic_auth.get_secret_value()


def _check_minds() -> None:
    # Flower needs no minds, but a wrong configuration must fail in every process.
    try:
        get_minds()
    except SettingsError as error:
        refuse_start(str(error))


_settings = settings_or_exit()
configure_logging(_settings.log_level, _settings.log_format)
warn_of_misspelled()
# Flower warns four times when no worker answers within a second, as at every start.
getLogger("flower.inspector").setLevel(ERROR)
_check_minds()
_gate = Gate(_user_and_password(_settings))
Flower.find_handler = lambda flower, request, **kwargs: _gate.find_handler(
    flower, request, **kwargs
)
# Flower sends workers ten requests at once, each over two broker connections: with fewer of them
# they would deadlock.
Flower.max_workers = current_app.conf.broker_pool_limit // 2
# By default Flower imports what a worker imports: LiteLLM, and 170 MB with it. It only needs the
# tasks' names, which come with their events.
current_app.conf.imports = ()

use_all_sentinels()

# Each name from here on is an option of Flower. A PaaS (and honcho) sets PORT.
port = int(variable("PORT") or _settings.flower_port)
check_flower_port(port)
basic_auth = [_user_and_password(_settings)]
logging = "none"  # keep our own
# Our workers always send events: every 5 s Flower would tell them to.
enable_events = False
# It would keep 100,000, at 7 kB each.
max_tasks = int(variable("FLOWER_MAX_TASKS") or 10_000)
# It would keep, and export, every worker that has ever been: in containers each has a new name.
purge_offline_workers = int(variable("FLOWER_PURGE_OFFLINE_WORKERS") or 3600)
read_only = True  # hide the buttons that the gate refuses
