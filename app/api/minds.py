"""/v1/minds: who can answer."""

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from app.apidoc.openapi import USER_SECURITY, operation_id, problems
from app.auth.bearer import require_user
from app.http.responses import json_response
from app.schemas.minds import MindPage, mind_bodies
from config.minds import get_minds, usable_models
from config.settings import get_settings

api = APIBlueprint(
    "minds",
    __name__,
    operation_id_callback=operation_id,
    url_prefix="/v1/minds",
    abp_tags=[Tag(name="minds", description="The named assistants that answer.")],
    abp_security=USER_SECURITY,
    abp_responses=problems(400, 401, 429, 503),
)
api.before_request(require_user)


@api.get("", responses={200: MindPage})
def read_minds() -> Response:
    """List minds.

    Returns all minds and every model that can be used, on one page.
    """
    minds, settings = get_minds(), get_settings()
    bodies = mind_bodies(minds, settings)
    page = MindPage(
        data=bodies,
        first_id=bodies[0].id,
        last_id=bodies[-1].id,
        has_more=False,
        models=list(usable_models(minds, settings)),
    )
    return json_response(page)
