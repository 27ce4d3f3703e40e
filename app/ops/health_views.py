"""Liveness and readiness of this process. Neither needs a key."""

from typing import Literal

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field

from app.apidoc.openapi import operation_id, problems
from app.http.responses import json_response
from app.ops.readiness import readiness

api = APIBlueprint(
    "health",
    __name__,
    operation_id_callback=operation_id,
    abp_tags=[Tag(name="health", description="Liveness, readiness and metrics.")],
    abp_responses=problems(400),
)


class Health(BaseModel):
    """The process is running."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok"}})

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """The state of the process's dependencies."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"status": "ok", "checks": {"database": "ok"}}}
    )

    status: Literal["ok", "degraded", "unavailable"] = Field(
        description="`degraded` without Redis, the broker or the issuer of JWTs, or if a provider "
        "is `misconfigured`: jobs are still accepted with 202, and continue once that is fixed. "
        "`unavailable` without the database."
    )
    checks: dict[str, Literal["ok", "unavailable", "read_only", "schema_outdated"]] = Field(
        description="`database` (including its schema), `redis`, `broker` if it is separate, and "
        "`issuer` if `JWT_ISSUER` is set."
    )
    reasons: dict[str, str] = Field(
        default={},
        description="For the operator: why a check is not `ok`, such as a wrong password, a "
        "missing database or too many connections.",
    )
    breakers: dict[str, Literal["closed", "open", "half-open"]] = Field(
        default={},
        description="Circuit breakers that the fleet shares and that have recorded a failure. They "
        "don't affect readiness.",
    )
    misconfigured: dict[str, str] = Field(
        default={},
        description="Providers or models that refuse service as configured (a wrong key, no "
        "credit, an unknown model), each with the variable to check. They don't affect readiness.",
    )


@api.get("/healthz", responses={200: Health})
def healthz() -> Response:
    """Check liveness.

    Checks no dependency.
    """
    return json_response(Health())


@api.get("/api/v1/health", responses={200: Health}, deprecated=True)
def legacy_health() -> Response:
    """Check liveness (legacy).

    Use `/healthz` instead.
    """
    return json_response(Health())


@api.get("/readyz", responses={200: Readiness, 503: Readiness})
def readyz() -> Response:
    """Check readiness.

    Checks each dependency for at most two seconds. The status is 503 if the database is not ready.
    The result may be one second old.
    """
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
    return json_response(Readiness.model_validate(body), 200 if ready else 503)
