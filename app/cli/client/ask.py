"""`trimind ask`: a message, watched until it is answered."""

import json
import sys

import click

from app.cli.client.access import connected
from app.cli.client.receipt import Progress, ending
from app.cli.client.terminal import echo
from trimind import Client, Job


@click.command()
@click.argument("message")
@click.option("--mind", help="Who shall answer; else the default mind.")
@click.option("--conversation", help="The conversation to go on with; else a new one begins.")
@click.option("--json", "as_json", is_flag=True, help="The finished job as JSON, and nothing else.")
def ask(message: str, mind: str | None, conversation: str | None, as_json: bool) -> None:
    """Ask something: its progress stage by stage, then the answer and the receipt.

    The key is TRIMIND_API_KEY, else the demo key; the address is TRIMIND_URL, else what runs here.
    Exit code 1 where there is no answer.
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
    # First of all, so that the job can be found again whatever happens to this process.
    echo(f"{job['id']} accepted, {job['conversation_id']}")
    progress = Progress()
    for seen in client.watch(job["id"]):
        job = seen
        for line in progress.lines(job):
            echo(line)
    for line in ending(job):
        echo(line)
    return job
