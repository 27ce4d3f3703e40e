"""The names of an issuer's users here."""

from models.errors import Unauthorized
from models.users import EXTERNAL_ID_MAX_CHARS


def external_id_of(issuer: str, subject: str) -> str:
    """The external id of an issuer's user. It names the issuer, so that nobody signs in as a user
    of a service, or of another issuer, that has the same id there.

    Raises:
        Unauthorized: it can't be an external id.
    """
    found = f"{issuer}|{subject}"
    visible = all("!" <= character <= "~" for character in found)
    if not subject or not visible or len(found) > EXTERNAL_ID_MAX_CHARS:
        raise Unauthorized(
            "The token's sub can't be used: it must be visible ASCII characters, with the issuer "
            f"and a | before them {EXTERNAL_ID_MAX_CHARS} at most."
        )
    return found
