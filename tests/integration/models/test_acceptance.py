"""What an accepted message consists of, as it was returned and as it is stored."""

from datetime import timedelta

import pytest
from sqlalchemy import inspect, select

from models.conversations import Conversation, Message
from models.errors import NotFound
from models.job_options import Options
from models.jobs import Job
from models.lifecycle.leases import queue_lease
from models.session import unit_of_work
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept

from ..commits import unfollowed
from .conftest import read

COLUMNS = [column.key for column in inspect(Job).column_attrs]
EACH = {"metadata": {"a": "ü"}, "deadline_s": 60, "mind": "muse"}


def accepted(external_id: str, **more: object) -> Job:
    with unfollowed(), unit_of_work() as session:
        user = get_or_create_user(session, external_id)
        return accept(session, Submission(user, "Hello\nthere", **more))  # type: ignore[arg-type]


def messages_of(job: Job) -> list[Message]:
    with unit_of_work() as session:
        of_it = select(Message).where(Message.conversation_id == job.conversation_id)
        return list(session.scalars(of_it.order_by(Message.position)))


@pytest.mark.parametrize("further", [False, True])
def test_a_job_is_returned_as_it_is_stored(external_id: str, further: bool) -> None:
    options = Options(model="a/b", temperature=0.5)
    first = accepted(external_id)
    more = {"conversation_id": first.conversation_id, "previous_id": first.id} if further else {}
    job = accepted(external_id, **EACH, options=options, **more)

    stored = read(job.id)
    assert {name: getattr(job, name) for name in COLUMNS} == {
        name: getattr(stored, name) for name in COLUMNS
    }
    assert stored.expires_at - stored.created_at < timedelta(seconds=61)
    assert stored.queue_lease_until is not None
    assert stored.queue_lease_until - stored.created_at < queue_lease() + timedelta(seconds=1)


def test_a_first_message_begins_a_conversation(external_id: str) -> None:
    job = accepted(external_id)

    with unit_of_work() as session:
        conversation = session.get_one(Conversation, job.conversation_id)
    shown = (conversation.user_id, conversation.title, conversation.on_busy)
    assert shown == (job.user_id, "Hello", "enqueue")
    assert conversation.external_id is None
    (message,) = messages_of(job)
    assert (message.id, message.role, message.content) == (job.message_id, "user", "Hello\nthere")
    assert (message.mind, message.job_id) == (None, None)
    assert conversation.created_at <= message.created_at <= job.created_at


def test_a_further_message_follows_and_touches_the_conversation(external_id: str) -> None:
    first = accepted(external_id)
    second = accepted(external_id, conversation_id=first.conversation_id)

    assert second.slot == "blocked"
    assert read(second.id).queue_lease_until is None
    assert [each.id for each in messages_of(first)] == [first.message_id, second.message_id]
    with unit_of_work() as session:
        conversation = session.get_one(Conversation, first.conversation_id)
    assert conversation.created_at < first.created_at < conversation.updated_at
    assert conversation.updated_at <= second.created_at


def test_another_users_conversation_gets_no_message(external_id: str) -> None:
    first = accepted(external_id)

    with pytest.raises(NotFound):
        accepted(f"not-{external_id}", conversation_id=first.conversation_id)

    assert [each.id for each in messages_of(first)] == [first.message_id]
