"""Request and response bodies of browser sessions."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.schemas.times import timestamp
from models.browser_sessions import SignedIn

SECRET_MAX_CHARS: Final = 200
# Of a header, in which a JWT is sent otherwise.
JWT_MAX_CHARS: Final = 8190


def _without_default(schema: dict[str, Any]) -> None:
    """An empty text only says that the field was not sent."""
    schema.pop("default", None)


Secret = Annotated[
    str,
    Field(min_length=1, max_length=SECRET_MAX_CHARS, json_schema_extra=_without_default),
]


KeyOrJwt = Annotated[
    str,
    Field(min_length=1, max_length=JWT_MAX_CHARS, json_schema_extra=_without_default),
]


class NewSession(BaseModel):
    """Who signs in: exactly one of the two fields."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"key": "tm_…"}, "minProperties": 1, "maxProperties": 1},
    )

    key: KeyOrJwt = Field(
        "",
        description="An API key: the session ends if it is revoked. Or a JWT of the installation's "
        "issuer: the session lasts a day.",
    )
    link: Secret = Field("", description="The token of a sign-in link, which works once.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("missing", "set either key or link")
        return self


class SessionBody(BaseModel):
    """A signed-in browser."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "object": "session",
                "user": "ada",
                "admin": False,
                "csrf_token": "0b3c…",
                "expires_at": "2026-03-02T09:30:00.125Z",
            }
        }
    )

    object: Literal["session"] = "session"
    user: str = Field(description="The user's external id.")
    admin: bool = Field(description="Whether the user is an operator.")
    csrf_token: str = Field(
        description="Send it as `X-CSRF-Token` with every request that changes something."
    )
    expires_at: str = Field(description="When the browser has to sign in again.")


def session_body(who: SignedIn, csrf_token: str) -> SessionBody:
    """Return a session's response body."""
    return SessionBody(
        user=who.user,
        admin=who.admin,
        csrf_token=csrf_token,
        expires_at=timestamp(who.expires_at),
    )
