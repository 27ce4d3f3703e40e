"""The page at `/`, a conversation's own address, the board, and the files that they load."""

from typing import Final, cast

from flask import Blueprint, Response, request

from app.http.security_headers import CONTENT_POLICY, policy_of
from app.web.assets import Asset, Page, get_assets, html_of
from models.errors import NotFound

PAGE_POLICY: Final = policy_of(
    script_src="'self'",
    style_src="'self'",
    img_src="'self' data:",
    connect_src="'self'",
    # The only HTML that scripts may insert is what the sanitizer returns.
    require_trusted_types_for="'script'",
    trusted_types="dompurify",
)
CONVERSATIONS: Final = Page("Trimind", "main.js", ("page.css",))
BOARD: Final = Page("Board · Trimind", "board/main.js", ("page.css", "board/board.css"))
FOR_EVER: Final = "public, max-age=31536000, immutable"

web = Blueprint("web", __name__)


@web.get("/")
@web.get("/c/<id:conversation_id>")
def show_page(conversation_id: str | None = None) -> Response:
    """The page; its script reads the conversation from the address."""
    return _shown(CONVERSATIONS)


@web.get("/board")
def show_board() -> Response:
    """The operators' board."""
    return _shown(BOARD)


@web.get("/assets/<version>/<path:name>")
def send_asset(version: str, name: str) -> Response:
    """One of the page's files, as of this version."""
    assets = get_assets()
    if version != assets.version or name not in assets.files:
        raise NotFound("No such file in this version of the page.")
    response = _encoded(assets.files[name])
    response.headers["Cache-Control"] = FOR_EVER
    return response


def _shown(page: Page) -> Response:
    response = Response(html_of(page), mimetype="text/html")
    response.headers[CONTENT_POLICY] = PAGE_POLICY
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    return cast(Response, response.make_conditional(request))


def _encoded(asset: Asset) -> Response:
    response = Response(mimetype=asset.mimetype)
    response.headers["Vary"] = "Accept-Encoding"
    if request.accept_encodings.quality("gzip") > 0:
        response.data = asset.compressed
        response.headers["Content-Encoding"] = "gzip"
    else:
        response.data = asset.content
    return response
