"""The issuer of JWTs: its keys can be fetched."""

from typing import Final

from app.cli.doctor.case import Case
from app.cli.doctor.finding import Finding, missing, ok, optional

NAME: Final = "issuer"
ANY_PARTY: Final = (
    "set JWT_AUDIENCE or JWT_AUTHORIZED_PARTIES: tokens for other applications are accepted too"
)


def check_issuer(case: Case) -> Finding:
    """Reachable, and its keys can verify a token."""
    if problem := case.problem("JWT_ISSUER", "JWT_JWKS_URL"):
        return missing(NAME, problem, "fix JWT_ISSUER or JWT_JWKS_URL")
    settings = case.settings
    url = settings.jwks_url
    if url is None:
        return optional(NAME, "JWT_ISSUER is not set: no sign-in by JWT")
    # Imported here: the library takes 20 MB, and the doctor also checks whether it is there.
    from app.auth.jwk_set import UnusableKeys
    from app.auth.jwks import fetch_keys

    try:
        keys = fetch_keys(url)
    except UnusableKeys as error:
        return missing(NAME, f"{url}: {error}", "fix JWT_ISSUER or JWT_JWKS_URL")
    any_party = settings.jwt_audience is None and not settings.authorized_parties
    return ok(NAME, f"{url}: {len(keys)} keys", ANY_PARTY if any_party else None)
