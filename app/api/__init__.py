"""The calls, a file a resource."""

from flask_openapi3.openapi import OpenAPI

from app.api import broadcasts, conversations, health, jobs, legacy, metrics, responses
from app.routing import IdConverter

RESOURCES = (
    jobs.api,
    broadcasts.api,
    conversations.api,
    responses.api,
    legacy.api,
    legacy.service_api,
    health.api,
    metrics.api,
)


def register_api(app: OpenAPI) -> None:
    """Add every call to the application."""
    app.url_map.converters["id"] = IdConverter
    for resource in RESOURCES:
        app.register_api(resource)
