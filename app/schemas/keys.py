"""Request and response bodies of API keys."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.http.storable_text import CLEAN
from app.schemas.examples import BEGAN, ULID, page_of
from app.schemas.lists import Identified, Page
from app.schemas.numbers import WHOLE
from app.schemas.paths import id_of
from app.schemas.times import timestamp, timestamp_or_none
from models.api_keys import NAME_MAX_CHARS, ApiKey
from models.scopes import USUAL, Scope

LASTS_MAX_S: Final = 10 * 366 * 86_400
OVERLAP_MAX_S: Final = 30 * 86_400
OVERLAP_S: Final = 3600
EXAMPLE: Final[dict[str, Any]] = {
    "id": f"key_{ULID}",
    "object": "key",
    "name": "laptop",
    "hint": "tm_Zk3vQ",
    "scopes": ["jobs:read", "jobs:write"],
    "created_at": BEGAN,
    "expires_at": None,
    "last_used_at": None,
    "replaced_by": None,
    "revoked_at": None,
}

Lasts = Annotated[int, Field(ge=1, le=LASTS_MAX_S), WHOLE]


def _once_each(scopes: list[Scope]) -> list[Scope]:
    return sorted(set(scopes))


class NewKey(BaseModel):
    """A key to create; all fields are optional."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"name": "laptop", "scopes": ["jobs:read"]}},
        openapi_extra={"required": False},  # type: ignore[typeddict-unknown-key]
    )

    name: Annotated[str, Field(max_length=NAME_MAX_CHARS), CLEAN] = Field(
        "", description="A label, by which you tell your keys apart."
    )
    scopes: Annotated[
        list[Scope], Field(min_length=1, max_length=10), AfterValidator(_once_each)
    ] = Field(
        list(USUAL),
        description="What the key may do: read (`jobs:read`), write (`jobs:write`), or everything, "
        "as an operator (`admin`). Never more than the caller may.",
    )
    expires_in_s: Lasts | None = Field(
        None, description="Seconds for which the key is valid. It never expires if omitted."
    )


class KeyRotation(BaseModel):
    """How to rotate a key; all fields are optional."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"overlap_s": 3600}},
        openapi_extra={"required": False},  # type: ignore[typeddict-unknown-key]
    )

    overlap_s: Annotated[int, WHOLE] = Field(
        OVERLAP_S,
        ge=0,
        le=OVERLAP_MAX_S,
        description="Seconds for which the old key is still valid.",
    )
    expires_in_s: Lasts | None = Field(
        None,
        description="Seconds for which the new key is valid. If omitted, as many as the old one "
        "was to be.",
    )


class KeyBody(Identified):
    """An API key, without the key itself."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    object: Literal["key"] = "key"
    name: str = Field(description="The key's label.")
    hint: str = Field(description="The key's first characters.")
    scopes: list[str] = Field(description="What the key may do.")
    created_at: str = Field(description="When it was created.")
    expires_at: str | None = Field(description="When it expires; null if never.")
    last_used_at: str | None = Field(description="When it was last used, to the minute.")
    replaced_by: str | None = Field(description="The key that it was rotated to.")
    revoked_at: str | None = Field(description="When it was revoked.")


class CreatedKeyBody(KeyBody):
    """A new API key, with the key itself."""

    model_config = ConfigDict(json_schema_extra={"example": {**EXAMPLE, "key": "tm_Zk3vQ…"}})

    key: str | None = Field(
        description="The key. Keep it: it is shown once. A replay of the request "
        "(`Idempotent-Replayed`) has null here."
    )


class KeyPage(Page[KeyBody]):
    """A page of keys, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": page_of(EXAMPLE)})


class KeyPath(BaseModel):
    """The path of a key."""

    key_id: str = id_of("key", "The key's id.")


def key_body(key: ApiKey) -> KeyBody:
    """Return a key's body."""
    return KeyBody(**_shown(key))


def created_key_body(key: ApiKey, secret: str | None = None) -> CreatedKeyBody:
    """Return a new key's body; without the key itself, as it is stored."""
    return CreatedKeyBody(**_shown(key), key=secret)


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "scopes": key.scopes,
        "created_at": timestamp(key.created_at),
        "expires_at": timestamp_or_none(key.expires_at),
        "last_used_at": timestamp_or_none(key.last_used_at),
        "replaced_by": key.replaced_by,
        "revoked_at": timestamp_or_none(key.revoked_at),
    }
