"""The public keys of issuers of JWTs, as they were fetched last: a web process that starts while an
issuer is unreachable uses these."""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import String, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Timestamp

URL_MAX_CHARS: Final = 2048
# Keys that have not changed are written again after that, so that their age is known.
SEEN_AGAIN_AFTER: Final = timedelta(hours=1)


class IssuerKeySet(Base):
    """The keys that an issuer publishes at a URL: a JWK Set of those that can verify a token."""

    __tablename__ = "issuer_keys"

    url: Mapped[str] = mapped_column(String(URL_MAX_CHARS), primary_key=True)
    document: Mapped[dict[str, Any]]
    fetched_at: Mapped[Timestamp]


def load_keys(session: Session, url: str) -> tuple[dict[str, Any], float] | None:
    """The keys of an issuer, and their age in seconds on the database's clock; None if there are
    none."""
    age_s = func.extract("epoch", func.clock_timestamp() - IssuerKeySet.fetched_at) + 0.0
    found = select(IssuerKeySet.document, age_s).where(IssuerKeySet.url == url)
    row = session.execute(found).one_or_none()
    return (row[0], float(row[1])) if row else None


def store_keys(session: Session, url: str, document: dict[str, Any]) -> None:
    """Store the keys that an issuer publishes now, if they differ from those that are stored, or
    these are older than `SEEN_AGAIN_AFTER`."""
    fetched = insert(IssuerKeySet).values(url=url, document=document)
    changed = IssuerKeySet.document != fetched.excluded.document
    old = IssuerKeySet.fetched_at < func.clock_timestamp() - SEEN_AGAIN_AFTER
    session.execute(
        fetched.on_conflict_do_update(
            index_elements=["url"],
            set_={"document": fetched.excluded.document, "fetched_at": func.clock_timestamp()},
            where=or_(changed, old),
        )
    )
