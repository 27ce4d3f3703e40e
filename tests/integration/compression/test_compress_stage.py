"""The compress stage with weights: llmlingua's own code between two checkpoints."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from config.settings import get_settings
from models.jobs import Job
from models.session import unit_of_work
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept
from tasks.stages import compress, intent

from ..commits import unfollowed


@pytest.fixture
def weights(
    backends: Mapping[str, str], bert: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Let this process find LLMLingua-2's weights for one test."""

    def forget() -> None:
        get_settings.cache_clear()
        compress.chosen_compressor.cache_clear()

    monkeypatch.setenv("LLMLINGUA_MODEL", str(bert))
    forget()
    yield
    monkeypatch.undo()
    forget()


@pytest.mark.usefixtures("weights")
def test_llmlingua_compresses_where_its_weights_are(prose: str, external_id: str) -> None:
    with unfollowed(), unit_of_work() as session:
        user = get_or_create_user(session, external_id)
        job_id = accept(session, Submission(user, prose)).id
    for stage in (intent.intent, compress.compress):
        assert stage.apply(args=(job_id, 1)).state == "SUCCESS"
    with unit_of_work() as session:
        job = session.get(Job, job_id)
    assert job is not None
    line = job.stages["compress"]
    assert (line["status"], line["compressor"]) == ("completed", "llmlingua2")
    assert job.prompt is not None
    assert len(job.prompt) < len(prose)
    assert job.tokens_saved == line["tokens_before"] - line["tokens_after"] > 0
