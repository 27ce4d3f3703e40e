"""The keys of an issuer in the database, where every web process finds what another one fetched."""

from typing import Any

from models.issuer_keys import load_keys, store_keys
from models.session import unit_of_work


class StoredKeys:
    """The keys of the issuer at a URL."""

    def __init__(self, url: str) -> None:
        self._url = url

    def load(self) -> tuple[dict[str, Any], float] | None:
        """The JWK Set and its age in seconds, if there is one. Raises DatabaseUnavailable."""
        with unit_of_work() as session:
            return load_keys(session, self._url)

    def save(self, document: dict[str, Any]) -> None:
        """Store a JWK Set. Raises DatabaseUnavailable."""
        with unit_of_work() as session:
            store_keys(session, self._url, document)
