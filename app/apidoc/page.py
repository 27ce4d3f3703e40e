"""The page at /docs: Swagger UI, which loads nothing from other hosts."""

from pathlib import Path
from typing import Final

from flask import Blueprint, Flask, Response
from flask_openapi3_swagger import templates  # type: ignore[import-untyped]

from app.http.security_headers import CONTENT_POLICY, policy_of

HERE: Final = Path(__file__).parent
SWAGGER_UI: Final = Path(templates.__file__).parent / "swagger"
# Swagger UI's icons are `data:` URLs; it saves a response to a file by a link to a `blob:`.
PAGE_POLICY: Final = policy_of(
    script_src="'self'", style_src="'self'", img_src="'self' data:", connect_src="'self'"
)


def register_page(app: Flask) -> None:
    """Register the page and its assets. It requests /openapi.json."""
    page = (HERE / "static" / "page.html").read_text()
    docs = Blueprint("docs", __name__, static_folder="static", url_prefix="/docs")
    ui = Blueprint("swagger", __name__, static_folder=SWAGGER_UI, static_url_path="")

    @docs.route("")
    def show_page() -> Response:
        return Response(page, headers={CONTENT_POLICY: PAGE_POLICY})

    app.register_blueprint(docs)
    app.register_blueprint(ui, url_prefix="/docs/swagger")
