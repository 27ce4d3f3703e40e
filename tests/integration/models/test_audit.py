"""The audit log is written with the change that it is about, and read by user, kind and time."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from config.settings import get_settings
from models.api_keys import create_key, revoke_key
from models.audit import Actor, AuditEntry, list_entries, record
from models.browser_sessions import create_link, sign_in_by_key, sign_in_by_link, sign_out
from models.session import get_engine, unit_of_work
from models.users import User, get_or_create_user

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
    [made] = entries(user_id)
    for _ in range(2):
        with unit_of_work() as session:
            assert revoke_key(session, made.subject, BY)

    found = entries(user_id)

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
    ]
    written = repr([vars(each) for each in found])
    assert not any(str(secret) in written for secret in (key, link, *tokens))


def test_what_is_rolled_back_leaves_no_entry(user_id: str) -> None:
    with Session(get_engine()) as session:
        create_key(session, user_id, "", get_settings().pepper)
        session.flush()
        session.rollback()

    assert entries(user_id) == []


def test_entries_outlive_their_user_and_are_found_by_its_id(user_id: str, external_id: str) -> None:
    with unit_of_work() as session:
        record(session, "user.deleted", user_id, by=BY, user_id=user_id)
    assert [each.subject for each in entries(external_id)] == [user_id]
    with unit_of_work() as session:
        session.execute(delete(User).where(User.id == user_id))

    assert entries(external_id) == []
    assert [each.action for each in entries(user_id)] == ["user.deleted"]


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
    assert len(actions(since=timedelta(minutes=1))) == 4
    assert actions(since=datetime.now(UTC) + timedelta(minutes=1)) == []
