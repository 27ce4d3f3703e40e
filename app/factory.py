"""The web application, assembled by `create_app`. Nothing is connected before it is used."""

from typing import Final

from flask import request
from flask.typing import ResponseReturnValue
from flask_openapi3.openapi import OpenAPI

from app.api import (
    broadcasts,
    conversations,
    incoming,
    jobs,
    keys,
    minds,
    sessions,
    usage,
    webhooks,
)
from app.apidoc.openapi import openapi_arguments, register_docs
from app.http.cors import register_cors
from app.http.db import connect_database
from app.http.deferred import CONTINUATION
from app.http.error_handlers import register_errors
from app.http.limit_fields import register_limit_fields
from app.http.refused import register_refusals
from app.http.request_body import JsonRequest, max_body_bytes
from app.http.request_log import register_request_log
from app.http.security_headers import register_security_headers
from app.http.url_converters import IdConverter
from app.legacy import views as legacy
from app.limits.requests import register_request_limit
from app.openai.responses import views as responses
from app.ops import board_views as board
from app.ops import health_views as health
from app.ops import metrics_views as metrics
from app.streaming.capacity import follow_slots
from app.streaming.revocations import follow_revocations
from app.web.views import web
from config.minds import minds_or_exit
from config.settings import settings_or_exit
from tasks.celery import app as celery
from tasks.jobs import after_commit

RESOURCES: Final = (
    jobs.api,
    broadcasts.api,
    conversations.api,
    minds.api,
    keys.api,
    sessions.api,
    webhooks.api,
    usage.api,
    responses.api,
    legacy.api,
    legacy.service_api,
    board.api,
    health.api,
    metrics.api,
)


class Trimind(OpenAPI):
    """Flask with declared views, whose requests have JSON objects as bodies, or none."""

    request_class = JsonRequest

    def preprocess_request(self) -> ResponseReturnValue | None:
        """Continue a request whose view has waited; authenticate a new one first."""
        resume = request.environ.pop(CONTINUATION, None)
        return resume() if resume is not None else super().preprocess_request()


def create_app() -> Trimind:
    """Create the application. Exits, naming the variable, if a setting is wrong."""
    settings = settings_or_exit()
    minds_or_exit()
    # It publishes and does nothing else by the broker, so that one connection may do.
    celery.conf.broker_pool_limit = settings.redis_pool // 2
    app = Trimind("app", static_folder=None, **openapi_arguments())
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes(settings)
    connect_database(app, settings)
    after_commit.register()
    follow_revocations()
    follow_slots()
    register_request_log(app)
    register_security_headers(app)
    register_limit_fields(app)
    register_request_limit(app)
    register_cors(app, settings.allowed_origins)
    register_refusals(app)
    register_errors(app)
    app.url_map.converters["id"] = IdConverter
    for resource in RESOURCES:
        app.register_api(resource)
    app.register_blueprint(web)
    app.register_blueprint(incoming.events)
    if settings.docs:
        register_docs(app)
    return app
