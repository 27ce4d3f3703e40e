"""Who still has access, asked about streams and waits that are open."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ARRAY, ColumnElement, Select, String, any_, bindparam, select, union_all

from models.api_keys import ApiKey, is_active
from models.browser_sessions import BrowserSession, is_signed_in
from models.statement import Runner, Statement
from models.users import User

# The kinds of ids that `still_granted` knows.
KINDS: Final = ("user_", "key_", "ses_")


def still_granted(runner: Runner, ids: Collection[str]) -> set[str]:
    """Those of these users, keys and browser sessions that still have access."""
    return {row[0] for row in _statement().rows(runner, {"ids": list(ids)})}


@lru_cache(maxsize=1)
def _statement() -> Statement:
    found: tuple[Select[Any], ...] = (
        select(User.id).where(_asked(User.id), User.deleted_at.is_(None)),
        select(ApiKey.id).where(_asked(ApiKey.id), is_active()),
        select(BrowserSession.id)
        .outerjoin(ApiKey, ApiKey.id == BrowserSession.key_id)
        .where(_asked(BrowserSession.id), is_signed_in()),
    )
    return Statement(union_all(*found))


def _asked(column: Any) -> ColumnElement[bool]:
    asked: ColumnElement[bool] = column == any_(bindparam("ids", type_=ARRAY(String)))
    return asked
