"""The numbers of a job's events. The database, the workers and the web count by these rules.

A step has one number, and so has every character of a text: a client resumes after any of them.
Numbers grow without being consecutive, and no number is used twice.

    1           the job is queued
    n           a stage begins: the number after the last one
    n + 1       the base of generate's text; of a text that restarted, its `job.restarted`
    base + k    the k-th character of the text
    e           a stage ends: the number after the last one
    e + 1       what the answer cost, or the end of the job
"""

from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, and_, case

from models.jobs import Job

QUEUED: Final = 1
# A transaction that ends or gives up a run from outside does not know the number of the run's last
# event, since text is saved only from time to time. It skips more numbers than a run can use.
SEQUENCE_GAP: Final = 10_000_000

N = TypeVar("N", int, ColumnElement[int])


def next_number(last: N) -> N:
    """The number of a step after the event `last`."""
    return last + 1


def text_base(began: N) -> N:
    """The number before the first character of the text of a generate that began at `began`."""
    return next_number(began)


def after_stage(ended: N) -> N:
    """The number of what follows a stage's end at once: the usage, or the end of the job."""
    return next_number(ended)


def last_of(stage: str, ended: int) -> int:
    """The number of the last event of a checkpointed stage that ended at `ended`: after generate
    comes the usage."""
    return after_stage(ended) if stage == "generate" else ended


def after_unknown_events() -> ColumnElement[int]:
    """A number that is larger than that of every event of the run that may own the stage."""
    runs = and_(Job.slot == "running", Job.stage == "generate")
    return Job.sequence + case((runs, SEQUENCE_GAP), else_=0)


@dataclass(frozen=True)
class NumberedText:
    """A text, or a piece of one, and the number before its first character."""

    base: int
    text: str

    @classmethod
    def ending_at(cls, number: int, text: str) -> "NumberedText":
        """A piece whose last character has this number."""
        return NumberedText(number - len(text), text)

    @property
    def number(self) -> int:
        """The number of its last character."""
        return self.base + len(self.text)

    def after(self, number: int) -> str:
        """The part with numbers above `number`."""
        return self.text[max(0, number - self.base) :]

    def up_to(self, number: int) -> str:
        """The part with numbers up to `number`."""
        return self.text[: max(0, number - self.base)]
