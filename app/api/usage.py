"""/v1/usage: what a user's jobs have used, and what is left of the budget."""

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from app.apidoc.openapi import USER_SECURITY, operation_id, problems
from app.auth.bearer import require_user
from app.http.db import db
from app.http.problems import invalid
from app.http.responses import json_response
from app.schemas.usage import ROWS_MAX, UsageQuery, UsageReport, usage_report
from models.spend import budget_of
from models.usage import usage_of
from tasks.jobs.budgets import limit_of

api = APIBlueprint(
    "usage",
    __name__,
    operation_id_callback=operation_id,
    url_prefix="/v1/usage",
    abp_tags=[Tag(name="usage", description="What your jobs have used and cost.")],
    abp_security=USER_SECURITY,
    abp_responses=problems(400, 401, 422, 429, 503),
)
api.before_request(require_user)


@api.get("", responses={200: UsageReport})
def read_usage(query: UsageQuery) -> Response:
    """Retrieve your usage.

    Returns what your jobs that ended within some days have used, up to the latest one, and your
    budget of this month, if you have one. Deleting a conversation changes nothing. More than 1,000
    rows are refused: ask for fewer days, or group by less.
    """
    (first, last), by = query.days(), query.groups()
    rows = usage_of(db.session(), g.user_id, first, last, by, ROWS_MAX + 1)
    if len(rows) > ROWS_MAX:
        raise invalid("group_by", "too_many", f"gives more than {ROWS_MAX} rows for these days")
    limit = limit_of(g.user_id, db.session())
    budget = budget_of(db.session(), g.user_id, limit) if limit is not None else None
    return json_response(usage_report((first, last), by, rows, budget))
