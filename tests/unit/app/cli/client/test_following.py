"""Ctrl-C while a job is awaited, printed or not."""

from typing import Any

import pytest

from app.cli.client.following import INTERRUPTED, interruptible

JOB: Any = {"id": "job_1"}


def test_who_stops_waiting_is_told_that_the_job_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, interruptible(JOB):
        raise KeyboardInterrupt
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (INTERRUPTED, "")
    assert "The job goes on. Follow it: trimind job follow job_1" in said.err
    assert "trimind job cancel job_1" in said.err
