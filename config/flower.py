"""Flower's settings: Python that Flower runs because of `--conf`. Read only, and closed whole.

Flower's own authentication leaves out `/metrics`, `/healthcheck`, `/static` and answers to OPTIONS,
and its read-only mode decides per call. So every request goes through one gate before it is routed:
no right password, no answer; and nothing but reading, whatever is asked.
"""

import binascii
import hmac
import os
from base64 import b64decode
from logging import ERROR, getLogger
from typing import Any, cast

from celery import current_app
from flower.app import Flower
from flower.views.tasks import TasksDataTable
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.web import Application, ErrorHandler

from config.environ import variable
from config.flower_headers import secured
from config.logging import configure_logging
from config.minds import get_minds
from config.misspelled import warn_of_misspelled
from config.settings import Settings, SettingsError, refuse_start, settings_or_exit


class Unauthorized(ErrorHandler):
    """Answers 401 to whatever was asked."""

    def set_default_headers(self) -> None:
        """Let a browser ask for the password."""
        self.set_header("WWW-Authenticate", 'Basic realm="flower", charset="UTF-8"')


class Gate:
    """Decides about a request before Flower sees it."""

    def __init__(self, user_and_password: str) -> None:
        self._expected = user_and_password.encode()

    def find_handler(
        self, flower: Application, request: HTTPServerRequest, **kwargs: Any
    ) -> HTTPMessageDelegate:
        """What answers: a refusal, or what Flower itself would choose."""
        if not self._knows(request):
            return flower.get_handler_delegate(request, secured(Unauthorized), {"status_code": 401})
        found: Any = Application.find_handler(flower, request, **kwargs)
        if not _only_reads(request, found):
            return flower.get_handler_delegate(request, secured(ErrorHandler), {"status_code": 403})
        found.handler_class = secured(found.handler_class)
        return cast(HTTPMessageDelegate, found)

    def _knows(self, request: HTTPServerRequest) -> bool:
        return hmac.compare_digest(
            _credentials(request.headers.get("Authorization", "")), self._expected
        )


def _credentials(header: str) -> bytes:
    """`user:password` of a header; nothing where it has none. The scheme's case does not count, nor
    do further spaces (RFC 9110, 11.4); padding may be left out."""
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "basic":
        return b""
    try:
        return b64decode(token + "=" * (-len(token) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _only_reads(request: HTTPServerRequest, found: HTTPMessageDelegate) -> bool:
    # The table of tasks is read by POST, since its query is long.
    table = getattr(found, "handler_class", None) is TasksDataTable
    return request.method in ("GET", "HEAD") or (table and request.method == "POST")


def _user_and_password(settings: Settings) -> str:
    if settings.flower_basic_auth is None:
        refuse_start(
            "FLOWER_BASIC_AUTH: is not set; write FLOWER_BASIC_AUTH=<user>:<password>, "
            "the password of at least 8 characters"
        )
    return settings.flower_basic_auth.get_secret_value()


def _check_minds() -> None:
    # Flower needs none, but a deployment that is wrong shall be so in each of its processes.
    try:
        get_minds()
    except SettingsError as error:
        refuse_start(str(error))


_settings = settings_or_exit()
configure_logging(_settings.log_level, _settings.log_format)
warn_of_misspelled(os.environ)
# It warns four times whenever no worker answers within a second, as at every start.
getLogger("flower.inspector").setLevel(ERROR)
_check_minds()
_gate = Gate(_user_and_password(_settings))
Flower.find_handler = lambda flower, request, **kwargs: _gate.find_handler(
    flower, request, **kwargs
)
# It asks workers ten things at once, each by two of the broker's connections, which it has to have:
# with fewer all would wait for one another.
Flower.max_workers = current_app.conf.broker_pool_limit // 2
# Flower imports what a worker imports: LiteLLM, and 170 MB with it. It only needs the tasks' names,
# which come with their events.
current_app.conf.imports = ()

# Each name from here on is an option of Flower's. A PaaS (and honcho) says by PORT where to listen.
port = int(variable("PORT") or _settings.flower_port)
basic_auth = [_user_and_password(_settings)]
logging = "none"  # ours stays
read_only = True  # hides the buttons that the gate refuses
