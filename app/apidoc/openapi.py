"""The OpenAPI document at /openapi.json, and the declarations that it is made of."""

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
from models.scopes import ADMIN

DESCRIPTION: Final = """\
Trimind answers chat messages asynchronously and never loses one that it has accepted. Submit a \
job, get a 202, then poll the job, follow its events, or wait with `Prefer: wait=N`. A *mind* \
answers: a named assistant with its own prompt and models.

Errors are `application/problem+json` (RFC 9457) with a stable `code`. Every response carries an \
`X-Request-Id`. Lists are paginated: while `has_more` is true, pass `last_id` as `after`.

"""

SECURITY_SCHEMES: Final[dict[str, Any]] = {
    "api_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A user's API key, which starts with `tm_`.",
    },
    "jwt": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A JWT of the issuer that the installation trusts, such as Clerk, signed "
        "with RS256 or ES256.",
    },
    "service": {
        "type": "http",
        "scheme": "bearer",
        "description": "The secret that trusted services share. They act for a user.",
    },
    "service_user": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Trimind-User",
        "description": "The user for whom a service acts, by the service's own id: 1 to 255 "
        "visible ASCII characters. Created on first use.",
    },
    "browser": {
        "type": "apiKey",
        "in": "cookie",
        "name": "trimind_session",
        "description": "A signed-in browser, which also sends `X-CSRF-Token` with every request "
        "that changes something.",
    },
}
USER_SECURITY: Final[list[dict[str, list[str]]]] = [
    {"api_key": []},
    {"jwt": []},
    {"service": [], "service_user": []},
    {"browser": []},
]
BROWSER_SECURITY: Final[list[dict[str, list[str]]]] = [{"browser": []}]
ADMIN_SECURITY: Final[list[dict[str, list[str]]]] = [
    {"api_key": [ADMIN]},
    {"service": [], "service_user": []},
    {"browser": []},
]
SERVICE_SECURITY: Final[list[dict[str, list[str]]]] = [{"service": []}]


def openapi_arguments() -> dict[str, Any]:
    """The arguments of flask-openapi3. The status of its own validation error is 500, which every
    call documents: it would add any other to every call, with a schema that we never send."""
    return {
        "info": Info(title="Trimind", version=_version(), description=DESCRIPTION + _codes()),
        "security_schemes": SECURITY_SCHEMES,
        "validation_error_callback": refuse_input,
        "validation_error_model": ProblemBody,
        "validation_error_status": 500,
        "doc_ui": False,
    }


def operation_id(*, name: str, **_: str) -> str:
    """The view's name, from which generated clients name a function: `submit_job`. It must be
    unique among the views."""
    return name


def problems(*statuses: int) -> dict[str | int, Any]:
    """Declare the problems with which a call may respond."""
    return {status: described(status, MEDIA_TYPE, ProblemBody) for status in (*statuses, 500)}


def listed(item: type[BaseModel]) -> dict[str, Any]:
    """Declare a response that is a bare list."""
    shape = item.model_json_schema()
    schema = {"type": "array", "items": shape}
    return {"content": {"application/json": {"schema": schema, "example": [shape["example"]]}}}


def register_docs(app: OpenAPI) -> None:
    """Register the document and its page."""
    document = postprocess(app.api_doc)

    @app.route("/openapi.json")
    def openapi_json() -> dict[str, Any]:
        return document

    register_page(app)


def described(status: int, media_type: str, body: type[BaseModel]) -> dict[str, Any]:
    """Declare a response whose schema another declaration adds to the document."""
    schema = {"$ref": f"#/components/schemas/{body.__name__}"}
    return {"description": title_of(status), "content": {media_type: {"schema": schema}}}


def _codes() -> str:
    """The error codes, collapsed: Swagger UI shows the description above everything else, and the
    first call belongs on the first screen."""
    return f"<details><summary>Error codes</summary>\n\n{tables()}\n</details>\n"


def _version() -> str:
    try:
        return version("trimind")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0"
