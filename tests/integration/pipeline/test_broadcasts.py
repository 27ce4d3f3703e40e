"""One message to several minds, their answers made one, and what every mind goes on from; worked by
the Procfile's own workers and the embedded model."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from models.broadcasts import BroadcastJobs
from models.conversations import Message
from models.history import Turn, track
from models.jobs import Job
from models.session import unit_of_work
from models.users import get_or_create_user
from tasks.jobs import broadcasts
from tasks.jobs.submission import Submission
from tasks.stages import compress, generate, intent, persist

from ..commits import followed
from .conftest import SetVariables, finished, read

QUESTION = "Name one river in France."
THREE = ("sage", "maker", "muse")

pytestmark = pytest.mark.usefixtures("workers")

Until = Callable[..., None]


class Asker:
    """A user who asks several minds and waits for the result."""

    def __init__(self, external_id: str, until: Until) -> None:
        self.until = until
        with unit_of_work() as session:
            self.user_id = get_or_create_user(session, external_id)

    def ask(self, message: str, *minds: str, conversation_id: str | None = None) -> BroadcastJobs:
        """Wait until every mind has ended, and return the broadcast."""
        with followed(), unit_of_work() as session:
            submission = Submission(self.user_id, message, conversation_id)
            whole = broadcasts.accept(session, submission, minds)
        for job in whole.siblings:
            self.until(lambda job_id=job.id: finished(job_id), 120)
        return self.read(whole)

    def merge(self, whole: BroadcastJobs) -> Job:
        """Wait for the merge of its answers to end, and return it."""
        with followed():
            job = self.accept_merge(whole)
        self.until(lambda: finished(job.id), 120)
        return read(job.id)

    def accept_merge(self, whole: BroadcastJobs) -> Job:
        """A merge of its answers, not dispatched."""
        with unit_of_work() as session:
            return broadcasts.accept_merge(
                session, self.user_id, whole.broadcast.id, metadata={}, deadline_s=None
            )

    def read(self, whole: BroadcastJobs) -> BroadcastJobs:
        with unit_of_work() as session:
            return broadcasts.read(session, self.user_id, whole.broadcast.id)


@pytest.fixture
def asker(
    variables: SetVariables, environment: dict[str, str], external_id: str, until: Until
) -> Asker:
    variables(MINDS_FILE=environment["MINDS_FILE"])
    return Asker(external_id, until)


def turns(job: Job) -> list[Turn]:
    with unit_of_work() as session:
        return track(session, job.id)


def test_three_answers_are_made_one_from_which_every_mind_goes_on(asker: Asker) -> None:
    whole = asker.ask(QUESTION, *THREE)
    assert whole.status == "completed"
    assert [job.mind for job in whole.siblings] == [*THREE]

    merge = asker.merge(whole)

    assert (merge.status, merge.mind, merge.intent) == (
        "completed",
        "manager",
        whole.siblings[0].intent,
    )
    line = merge.stages["generate"]
    assert (line["merged"], line["cut"]) == ([*THREE], [])
    said = sum(job.output_tokens for job in whole.siblings)
    assert merge.input_tokens > whole.siblings[0].input_tokens + said
    whole = asker.read(whole)
    assert whole.broadcast.kept_job_id == merge.id
    assert whole.usage.output_tokens == said + merge.output_tokens
    with unit_of_work() as session:
        talk = select(Message.role, Message.mind).where(
            Message.conversation_id == whole.broadcast.conversation_id
        )
        messages = list(session.execute(talk.order_by(Message.position)).tuples())
    assert messages[0] == ("user", None)
    assert sorted(str(mind) for _, mind in messages[1:4]) == sorted(THREE)
    assert messages[4:] == [("assistant", "manager")]

    after = asker.ask(QUESTION, *THREE, conversation_id=whole.broadcast.conversation_id)

    assert after.status == "completed"
    assert merge.answer is not None
    for before, job in zip(whole.siblings, after.siblings, strict=True):
        assert turns(job) == [Turn(QUESTION, merge.answer)]
        assert job.input_tokens > before.input_tokens + merge.output_tokens


def test_a_mind_that_fails_leaves_the_others_their_answers(asker: Asker) -> None:
    whole = asker.ask(QUESTION, "sage", "wordy")

    assert whole.status == "partial"
    sage, wordy = whole.siblings
    assert (sage.status, wordy.status) == ("completed", "failed")
    assert wordy.error is not None
    assert wordy.error["code"] == "context_too_long"
    merge = asker.merge(whole)
    assert merge.status == "completed"
    assert merge.stages["generate"]["merged"] == ["sage"]


def test_answers_of_larger_models_are_cut_to_what_the_managers_model_holds(
    asker: Asker, variables: SetVariables
) -> None:
    whole = asker.ask(QUESTION, *THREE)
    with unit_of_work() as session:
        long = [job.id for job in whole.siblings[1:]]
        session.execute(
            update(Job).where(Job.id.in_(long)).values(answer="The river Loire is long. " * 2000)
        )
    # In this process, with a smaller context: the model reads about 150 tokens per second.
    variables(EMBEDDED_MODEL_CONTEXT="1024", MAX_TOKENS="100")
    job = asker.accept_merge(whole)

    for stage in (intent.intent, compress.compress, generate.generate, persist.persist):
        stage.apply(args=(job.id, 1), task_id=f"{job.id}.1.{stage.name}")

    merge = read(job.id)
    assert merge.status == "completed", merge.error
    assert merge.stages["generate"]["cut"] == ["maker", "muse"]
    assert 600 < merge.input_tokens < 1024 - 100
