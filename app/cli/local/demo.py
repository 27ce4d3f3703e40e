"""The demo user: its key, kept in the data folder, and the first message of every start."""

from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from app.cli.admin.database import operator
from app.cli.client.receipt import Progress, ending
from config.settings import get_settings
from deploy.embedded.home import write_private
from deploy.embedded.unit import Log
from models.api_keys import create_key, find_grant
from models.browser_sessions import create_link
from models.jobs import Job
from models.scopes import ADMIN
from models.session import unit_of_work
from models.users import get_or_create_user
from trimind import Client

USER: Final = "demo"
MESSAGE: Final = "Hello! Please say in one sentence what you can help me with."
NAME: Final = "trimind"


def demo_key(file: Path) -> str:
    """The demo user's key: the one in the file if it is still valid, else a new one."""
    peppers = get_settings().peppers
    kept = file.read_text().strip() if file.exists() else ""
    with unit_of_work() as session:
        if kept and find_grant(session.connection(), kept, peppers):
            return kept
        user_id = get_or_create_user(session, USER, operator())
        key = create_key(session, user_id, "demo", peppers[0], by=operator())
    write_private(file, f"{key}\n")
    return key


def sign_in_token() -> str:
    """The token of a link that signs one browser in, once, as the demo user and an operator."""
    with unit_of_work() as session:
        user_id = get_or_create_user(session, USER, operator())
        return create_link(session, user_id, [ADMIN], get_settings().pepper, operator())


def earlier_jobs() -> str:
    """How many jobs the database holds already, as text."""
    with unit_of_work() as session:
        found = session.scalar(select(func.count()).select_from(Job)) or 0
    return f"{found} job{'' if found == 1 else 's'} from earlier" if found else "no jobs yet"


def show_first_message(client: Client, log: Log) -> None:
    """Submit a real message and log each stage, its answer and its receipt.

    Raises:
        TrimindClientError: the web process refuses or is unavailable.
    """
    log(NAME, f'a first message: "{MESSAGE}"')
    progress = Progress()
    job = client.submit(MESSAGE)
    for event in client.follow(job["id"]):
        for line in progress.lines([event["stage"]] if "stage" in event else []):
            log(NAME, line)
        job = event.get("job", job)
    for line in ending(job):
        log(NAME, line)
