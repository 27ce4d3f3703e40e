"""`trimind ask`: submit a message and follow its job to the end."""

import json
import sys

import click

from app.cli.client.access import connected
from app.cli.client.receipt import Progress, ending
from app.cli.client.terminal import echo
from trimind import Client, Job


@click.command()
@click.argument("message")
@click.option("--mind", help="The mind that answers; the default mind if omitted.")
@click.option("--conversation", help="The conversation to continue; a new one if omitted.")
@click.option("--json", "as_json", is_flag=True, help="Print only the finished job, as JSON.")
def ask(message: str, mind: str | None, conversation: str | None, as_json: bool) -> None:
    """Ask something; print each stage, then the answer and the receipt.

    Uses TRIMIND_API_KEY, else the demo key, and TRIMIND_URL, else the installation that runs here.
    Exits with 1 if there is no answer.
    """
    with connected() as client:
        job = client.submit(message, mind=mind, conversation_id=conversation)
        job = _silently(client, job) if as_json else _aloud(client, job)
    sys.exit(0 if job["status"] == "completed" else 1)


def _silently(client: Client, job: Job) -> Job:
    *_, last = client.watch(job["id"])
    echo(json.dumps(last, indent=2, ensure_ascii=False))
    return last


def _aloud(client: Client, job: Job) -> Job:
    # Printed first, so that the job can be found if this process is interrupted.
    echo(f"{job['id']} accepted, {job['conversation_id']}")
    progress = Progress()
    for seen in client.watch(job["id"]):
        job = seen
        for line in progress.lines(job):
            echo(line)
    for line in ending(job):
        echo(line)
    return job
