"""Whether this process runs, and whether it can work. No key is asked for."""

from typing import Literal

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field

from app.apidoc.openapi import operation_id, problems
from app.http.answers import answer
from app.ops.readiness import readiness

api = APIBlueprint(
    "health",
    __name__,
    operation_id_callback=operation_id,
    abp_tags=[Tag(name="health", description="For load balancers and people.")],
    abp_responses=problems(400),
)


class Health(BaseModel):
    """This process runs."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok"}})

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """What this process leans on."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"status": "ok", "checks": {"database": "ok"}}}
    )

    status: Literal["ok", "degraded", "unavailable"] = Field(
        description="`degraded` without Redis or the broker, or where a provider is "
        "`misconfigured`: a submit is a 202 all the same, and its job goes on once that is mended. "
        "`unavailable` without the database."
    )
    checks: dict[str, Literal["ok", "unavailable", "read_only", "schema_outdated"]] = Field(
        description="`database` (its schema too), `redis`, and `broker` where it is another."
    )
    reasons: dict[str, str] = Field(
        default={},
        description="Why, for the operator, of each that is not `ok`: a wrong password, a missing "
        "database, too many connections.",
    )
    breakers: dict[str, Literal["closed", "open", "half-open"]] = Field(
        default={},
        description="Breakers that the fleet shares, once they failed. None makes it unready.",
    )
    misconfigured: dict[str, str] = Field(
        default={},
        description="Providers, or models of theirs, that do not serve us as they are set up (a "
        "wrong key, no credit, an unknown model): which variable to look at. They make nothing "
        "unready.",
    )


@api.get("/healthz", responses={200: Health})
def healthz() -> Response:
    """Is this process running?
    Asks nothing else."""
    return answer(Health())


@api.get("/api/v1/health", responses={200: Health}, deprecated=True)
def legacy_health() -> Response:
    """Is this process running? (the replaced system's call)
    The same as `/healthz`."""
    return answer(Health())


@api.get("/readyz", responses={200: Readiness, 503: Readiness})
def readyz() -> Response:
    """Can this process work?
    Asks each dependency, none for longer than two seconds; 503 where the database is not well. The
    answer may be a second old."""
    found = readiness()
    ready = found.servers["database"].name == "ok"
    well = all(state.name == "ok" for state in found.servers.values()) and not found.misconfigured
    body = {
        "status": "ok" if well else "degraded" if ready else "unavailable",
        "checks": {server: state.name for server, state in found.servers.items()},
        "reasons": {server: each.reason for server, each in found.servers.items() if each.reason},
        "breakers": found.breakers,
        "misconfigured": found.misconfigured,
    }
    return answer(Readiness.model_validate(body), 200 if ready else 503)
