"""/metrics, for Prometheus only."""

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from prometheus_client.exposition import choose_encoder

from app.apidoc.openapi import SERVICE_SECURITY, operation_id, problems
from app.auth.bearer import require_service
from app.http.db import db
from app.ops.metrics import Fleet

api = APIBlueprint(
    "metrics",
    __name__,
    operation_id_callback=operation_id,
    abp_tags=[Tag(name="health", description="Liveness, readiness and metrics.")],
    abp_security=SERVICE_SECURITY,
    abp_responses=problems(401, 429, 503),
)
api.before_request(require_service)

EXAMPLE = '# TYPE trimind_jobs gauge\ntrimind_jobs{slot="queued",stage="intent"} 3.0\n'
TEXT = {"content": {"text/plain": {"schema": {"type": "string"}, "example": EXAMPLE}}}


@api.get("/metrics", responses={200: TEXT})
def metrics() -> Response:
    """Retrieve metrics.

    Returns the state of the whole fleet for Prometheus, the same from every process. The status is
    503 while the database is unavailable.
    """
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(Fleet(db.session())), content_type=content_type)
