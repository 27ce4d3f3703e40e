"""The audit log is written with the change that it is about, and read by user, kind and time."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, update
from sqlalchemy.orm import Session

from config.redis import redis_client
from config.settings import get_settings
from models.api_keys import create_key, revoke_key
from models.audit import Actor, AuditEntry, record
from models.audit_lists import ROWS, expire_entries, list_entries
from models.browser_sessions import create_link, sign_in_by_key, sign_in_by_link, sign_out
from models.session import get_engine, unit_of_work
from models.users import User, get_or_create_user
from tasks.worker.sweeper import Sweeper

BY = Actor("command ada", "req_1", "203.0.113.7")


@pytest.fixture
def user_id(backends: Mapping[str, str], external_id: str) -> str:
    with unit_of_work() as session:
        return get_or_create_user(session, external_id)


def entries(user: str, **which: object) -> list[AuditEntry]:
    with unit_of_work() as session:
        return list_entries(session, user=user, **which)  # type: ignore[arg-type]


def test_every_change_of_a_key_is_recorded_once_with_its_actor(user_id: str) -> None:
    pepper = get_settings().pepper
    with unit_of_work() as session:
        key = create_key(session, user_id, "laptop", pepper, by=BY)
    [made] = entries(user_id, action="key")
    for _ in range(2):
        with unit_of_work() as session:
            assert revoke_key(session, made.subject, BY)

    found = entries(user_id, action="key")

    assert [each.action for each in found] == ["key.revoked", "key.created"]
    assert {(each.actor, each.request_id, each.address) for each in found} == {
        ("command ada", "req_1", "203.0.113.7")
    }
    assert {each.subject for each in found} == {made.subject}
    assert made.details == {
        "name": "laptop",
        "hint": key[:8],
        "scopes": ["jobs:read", "jobs:write"],
        "expires": None,
    }


def test_browsers_that_sign_in_and_out_are_recorded_without_their_tokens(user_id: str) -> None:
    peppers = get_settings().peppers
    with unit_of_work() as session:
        key = create_key(session, user_id, "", peppers[0])
        link = create_link(session, user_id, ["admin"], peppers[0], BY)
    with unit_of_work() as session:
        tokens = [
            sign_in_by_key(session, key, peppers, BY),
            sign_in_by_link(session, link, peppers, BY),
        ]
        for token in tokens:
            assert token is not None
            sign_out(session, token, peppers, BY)

    found = entries(user_id)

    assert sorted(each.action for each in found) == [
        "key.created",
        "link.created",
        "session.created",
        "session.created",
        "session.ended",
        "session.ended",
        "user.created",
    ]
    written = repr([vars(each) for each in found])
    assert not any(str(secret) in written for secret in (key, link, *tokens))


def test_what_is_rolled_back_leaves_no_entry(user_id: str) -> None:
    with Session(get_engine()) as session:
        create_key(session, user_id, "", get_settings().pepper)
        session.flush()
        session.rollback()

    assert entries(user_id, action="key") == []


def test_who_creates_a_user_is_recorded_once(
    backends: Mapping[str, str], external_id: str, together: Callable[..., list[object]]
) -> None:
    def create() -> str:
        with unit_of_work() as session:
            return get_or_create_user(session, external_id, BY)

    [user_id] = set(together(4, create))

    [made] = entries(str(user_id))
    assert (made.action, made.subject, made.actor) == ("user.created", user_id, "command ada")
    with Session(get_engine()) as session:
        not_kept = get_or_create_user(session, f"{external_id}-2", BY)
        session.rollback()
    assert entries(not_kept) == []


def test_entries_outlive_their_user_and_are_found_by_its_id(user_id: str, external_id: str) -> None:
    with unit_of_work() as session:
        record(session, "user.deleted", user_id, by=BY, user_id=user_id)
    assert [each.subject for each in entries(external_id)] == [user_id] * 2
    with unit_of_work() as session:
        session.execute(delete(User).where(User.id == user_id))

    assert entries(external_id) == []
    assert [each.action for each in entries(user_id)] == ["user.deleted", "user.created"]


def test_they_are_found_by_action_kind_and_time_newest_first(user_id: str) -> None:
    with unit_of_work() as session:
        for action in ("key.created", "key.revoked", "keyring.created", "link.created"):
            record(session, action, "x", user_id=user_id)
            session.flush()

    def actions(**which: object) -> list[str]:
        return [each.action for each in entries(user_id, **which)]

    assert actions(action="key") == ["key.revoked", "key.created"]
    assert actions(action="key.created") == ["key.created"]
    assert actions(action="%") == []
    assert actions(limit=1) == ["link.created"]
    assert len(actions(since=timedelta(minutes=1))) == 5
    assert actions(since=datetime.now(UTC) + timedelta(minutes=1)) == []


AGE = timedelta(days=400)


def age_all(user: str, by: timedelta) -> list[str]:
    """Let all entries of a user be older; returns their ids."""
    with unit_of_work() as session:
        mine = update(AuditEntry).where(AuditEntry.user_id == user)
        aged = mine.values(at=func.now() - by).returning(AuditEntry.id)
        return list(session.scalars(aged))


def expire() -> int:
    with unit_of_work() as session:
        return expire_entries(session, AGE)


def test_old_entries_are_deleted_some_at_a_time_and_younger_ones_stay(user_id: str) -> None:
    with unit_of_work() as session:
        for _ in range(ROWS + 10):
            record(session, "key.created", "x", user_id=user_id)
    age_all(user_id, AGE + timedelta(hours=1))
    with unit_of_work() as session:
        record(session, "key.revoked", "x", user_id=user_id)

    assert expire() == ROWS
    while expire():
        pass

    assert [each.action for each in entries(user_id, limit=1000)] == ["key.revoked"]


def test_an_entry_that_another_worker_deletes_holds_nobody_up(user_id: str) -> None:
    [entry] = age_all(user_id, AGE + timedelta(hours=1))
    with unit_of_work() as session:
        assert session.get(AuditEntry, entry, with_for_update=True) is not None
        expire()
        assert len(entries(user_id)) == 1

    expire()

    assert entries(user_id) == []


def test_a_worker_deletes_them_unless_it_is_told_not_to(
    user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    age_all(user_id, timedelta(days=401))
    for days in ("0", "402", ""):
        assert len(entries(user_id)) == 1
        monkeypatch.setenv("AUDIT_RETENTION_DAYS", days)
        get_settings.cache_clear()
        redis_client().flushdb()  # no other worker's turn
        Sweeper().sweep()
    get_settings.cache_clear()

    assert entries(user_id) == []
