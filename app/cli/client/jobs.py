"""`trimind job`: show jobs."""

import json

import click

from app.cli.client.access import connected
from app.cli.client.receipt import Progress, ending
from app.cli.client.terminal import echo


@click.group()
def job() -> None:
    """Show a job."""


@job.command()
@click.argument("job_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(job_id: str, as_json: bool) -> None:
    """Show a job's current stages, answer and receipt."""
    with connected() as client:
        found = client.job(job_id)
    if as_json:
        echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for line in [f"{found['id']} {found['status']}", *Progress().lines(found), *ending(found)]:
        echo(line)
