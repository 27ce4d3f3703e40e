"""A job followed to its end: its answer on stdout as it is generated, all else on stderr.

So the answer can be piped to another program. On a terminal there are colours, and a spinner until
the first text.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from app.cli.client.receipt import Progress, receipt, was_cut, without_answer
from app.cli.client.spinner import Spinner
from app.cli.client.terminal import echo, shown
from trimind import Client, Event, Job

INTERRUPTED = 130  # 128 + SIGINT


def follow_aloud(client: Client, job: Job) -> Job:
    """Follow a job, and return it as it ended. Exits on Ctrl-C, and says that the job goes on."""
    note(f"{job['id']} accepted, {job['conversation_id']}")
    with interruptible(job):
        return _Following(client).to_end_of(job)


def follow_silently(client: Client, job: Job) -> Job:
    """Follow a job to its end, and print it as JSON."""
    with interruptible(job):
        last = client.wait(job["id"])
    echo(json.dumps(last, indent=2, ensure_ascii=False))
    return last


@contextmanager
def interruptible(job: Job) -> Iterator[None]:
    """On Ctrl-C, say that the job goes on and how to follow it, and exit."""
    try:
        yield
    except KeyboardInterrupt:
        note(
            f"\nThe job goes on. Follow it: trimind job follow {job['id']}"
            f"\nStop it: trimind job cancel {job['id']}"
        )
        sys.exit(INTERRUPTED)


def note(text: str) -> None:
    """Print what is not the answer, dimmed on a terminal."""
    click.secho(shown(text), err=True, dim=True)


class _Following:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._progress = Progress()
        self._text = ""

    def to_end_of(self, job: Job) -> Job:
        with Spinner("waiting for a worker") as spinner:
            for event in self._client.follow(job["id"]):
                self._take(event, spinner)
                job = event.get("job", job)
        self._end(job)
        return job

    def _take(self, event: Event, spinner: Spinner) -> None:
        kind = event["type"].removeprefix("job.")
        if kind == "stage":
            with spinner.paused():
                for text in self._progress.lines([event["stage"]]):
                    note(text)
            spinner.says(event["stage"]["name"])
        elif kind == "delta":
            spinner.stop()
            self._write(event["text"])
        elif kind == "snapshot":
            spinner.stop()
            self._restart(event["text"])
        elif kind == "restarted":
            self._restart("")

    def _write(self, text: str) -> None:
        self._text += text
        click.echo(shown(text), nl=False)
        sys.stdout.flush()

    def _restart(self, text: str) -> None:
        """Go on where the new text agrees with what was printed; else print it anew."""
        if text.startswith(self._text):
            self._write(text[len(self._text) :])
            return
        if self._text:
            note("\n(the answer begins again)")
        self._text = ""
        self._write(text)

    def _end(self, job: Job) -> None:
        output = job["output"] or ""
        if output != self._text:
            self._restart(output)
        if self._text:
            click.echo()
        if job["status"] != "completed":
            for text in without_answer(job):
                click.secho(text, err=True, fg="red")
        elif was_cut(job):
            note("(cut by max tokens)")
        for text in receipt(job):
            note(text)
