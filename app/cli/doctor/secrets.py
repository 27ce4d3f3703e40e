"""The secrets: set, and not to be guessed."""

import re
from collections.abc import Iterator
from typing import Final

from pydantic import SecretStr

from app.cli.doctor.case import Case
from app.cli.doctor.finding import Finding, missing, ok, wrong

# A random secret has none of these words, and more than a few different characters.
KNOWN: Final = re.compile(
    r"change.?me|secret|passwor[dt]|example|default|trimind|12345|qwert", re.I
)
DIFFERENT: Final = 8
TO_DO: Final = (
    "set it to what `openssl rand -hex 32` prints: docs/deploying.md, Replace the secrets"
)
_CHECKED_ELSEWHERE: Final = (
    "DATABASE_URL",
    "REDIS_URL",
    "BROKER_URL",
    "FLOWER_BASIC_AUTH",
    "JWT_ISSUER",
    "JWT_JWKS_URL",
)


def check_secrets(case: Case) -> Finding:
    """The services' secret and the other ones, and settings that no other check covers."""
    if problem := case.problem("SHARED_SECRET"):
        return missing("secret", problem, "set SHARED_SECRET; `trimind up` generates its own")
    others = {name: line for name, line in case.wrong.items() if name not in _CHECKED_ELSEWHERE}
    if others:
        return missing("settings", "; ".join(others.values()), f"fix {', '.join(others)}")
    if weak := list(_guessable(case)):
        return wrong("secret", f"can be guessed: {', '.join(weak)}", TO_DO)
    return ok("secret", "SHARED_SECRET is set")


def is_guessable(secret: str) -> bool:
    """Whether a secret was hardly made by chance: an example's, or a word."""
    return KNOWN.search(secret) is not None or len(set(secret)) < DIFFERENT


def _guessable(case: Case) -> Iterator[str]:
    settings = case.settings
    given: dict[str, SecretStr | None] = {
        "SHARED_SECRET": settings.shared_secret,
        "SHARED_SECRET_PREVIOUS": settings.shared_secret_previous,
        "API_KEY_PEPPER": settings.api_key_pepper,
        "API_KEY_PEPPER_PREVIOUS": settings.api_key_pepper_previous,
    }
    for name, secret in given.items():
        if secret is not None and is_guessable(secret.get_secret_value()):
            yield name
    flower = settings.flower_basic_auth
    if flower is not None and is_guessable(flower.get_secret_value().partition(":")[2]):
        yield "FLOWER_BASIC_AUTH"
