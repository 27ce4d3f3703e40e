"""How many jobs wait, in the lanes of the queues and for their user's turn."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import NullPool
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.cli.doctor.case import Case
from app.cli.doctor.finding import Finding, ok, optional
from models.backlog import LANE_NAMES, Backlog, Queue, backlog, queues
from models.connection import open_engine

TIMEOUT_S: Final = 3
HELD: Final = "held"


def check_queues(case: Case) -> Finding:
    """The lengths of the lanes, and the held jobs; by the index of unfinished jobs."""
    if case.problem("DATABASE_URL"):
        return optional("queues", "not counted: DATABASE_URL is invalid", "fix it first")
    url = case.settings.database_url.get_secret_value()
    try:
        engine = open_engine(url, parameters={"connect_timeout": TIMEOUT_S}, poolclass=NullPool)
        with Session(engine) as session:
            return ok("queues", _said(queues(session), backlog(session)))
    except (SQLAlchemyError, ValueError):  # ValueError: the port is not a number
        return optional("queues", "not counted: PostgreSQL does not answer", "fix it first")


def _said(lanes: Iterable[Queue], jobs: Iterable[Backlog]) -> str:
    lines = [
        f"{lane.queue} {LANE_NAMES[lane.lane]} {lane.jobs:,} (oldest {lane.oldest_s:,.0f} s)"
        for lane in lanes
    ]
    held = [each for each in jobs if each.slot == HELD]
    if held:
        oldest_s = max(each.oldest_s for each in held)
        number = sum(each.jobs for each in held)
        lines.append(f"held {number:,} (oldest {oldest_s:,.0f} s)")
    return ", ".join(lines) or "nothing is queued or held"
