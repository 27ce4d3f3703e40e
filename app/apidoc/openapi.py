"""The OpenAPI document at /openapi.json, and its page at /docs, served from here."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel

from app.apidoc.error_codes import tables
from app.apidoc.page import register_page
from app.apidoc.postprocess import postprocess
from app.http.error_handlers import refuse_input
from app.http.problems import MEDIA_TYPE, ProblemBody, title_of

DESCRIPTION: Final = """\
Trimind turns a chat message into an answer, asynchronously and without ever losing it: send a job,
get 202, and read the job until it is finished. Failures are `application/problem+json` (RFC 9457)
with a stable `code`; every answer carries `X-Request-Id`. Lists are read in pages: give a page's
`last_id` as `after` while `has_more` is true.

"""

SECURITY_SCHEMES: Final[dict[str, Any]] = {
    "api_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A user's API key: `tm_…`.",
    },
    "service": {
        "type": "http",
        "scheme": "bearer",
        "description": "The shared secret of the services, which name a user.",
    },
    "service_user": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Trimind-User",
        "description": "The user whom a service asks for, by the service's own name for it: 1 to "
        "255 visible ASCII characters. Created on first sight.",
    },
}
USER_SECURITY: Final[list[dict[str, list[str]]]] = [
    {"api_key": []},
    {"service": [], "service_user": []},
]
SERVICE_SECURITY: Final[list[dict[str, list[str]]]] = [{"service": []}]


def openapi_arguments() -> dict[str, Any]:
    """What flask-openapi3 is told. The status of its own validation error is 500, which every call
    documents: any other it would add to every call, in a shape that we never send."""
    return {
        "info": Info(title="Trimind", version=_version(), description=DESCRIPTION + _codes()),
        "security_schemes": SECURITY_SCHEMES,
        "validation_error_callback": refuse_input,
        "validation_error_model": ProblemBody,
        "validation_error_status": 500,
        "doc_ui": False,
    }


def operation_id(*, name: str, **_: str) -> str:
    """The view's own name, which generated clients make a function of: `submit_job`. No two views
    may have the same."""
    return name


def problems(*statuses: int) -> dict[str | int, Any]:
    """The declaration of the problems that a call may answer."""
    return {status: described(status, MEDIA_TYPE, ProblemBody) for status in (*statuses, 500)}


def listed(item: type[BaseModel]) -> dict[str, Any]:
    """The declaration of an answer that is a bare list."""
    shape = item.model_json_schema()
    schema = {"type": "array", "items": shape}
    return {"content": {"application/json": {"schema": schema, "example": [shape["example"]]}}}


def register_docs(app: OpenAPI) -> None:
    """Serve the document and its page."""
    document = postprocess(app.api_doc)

    @app.route("/openapi.json")
    def openapi_json() -> dict[str, Any]:
        return document

    register_page(app)


def described(status: int, media_type: str, body: type[BaseModel]) -> dict[str, Any]:
    """The declaration of an answer whose shape another declaration puts into the document."""
    schema = {"$ref": f"#/components/schemas/{body.__name__}"}
    return {"description": title_of(status), "content": {media_type: {"schema": schema}}}


def _codes() -> str:
    """The error codes, folded: Swagger UI shows the description above everything, and the first
    call belongs on the first screen."""
    return f"<details><summary>Error codes</summary>\n\n{tables()}\n</details>\n"


def _version() -> str:
    try:
        return version("trimind")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0"
