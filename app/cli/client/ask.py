"""`trimind ask`: submit a message and follow its job to the end."""

import sys

import click

from app.cli.client.access import connected
from app.cli.client.following import follow_aloud, follow_silently

STDIN = "-"


@click.command()
@click.argument("message", nargs=-1)
@click.option("--mind", help="The mind that answers; the default mind if omitted.")
@click.option("--conversation", help="The conversation to continue; a new one if omitted.")
@click.option("--json", "as_json", is_flag=True, help="Print only the finished job, as JSON.")
def ask(
    message: tuple[str, ...], mind: str | None, conversation: str | None, as_json: bool
) -> None:
    """Ask something; print the answer as it is generated.

    The answer goes to stdout, the stages and the receipt to stderr. `-` stands for stdin, as in
    `trimind ask "Summarize this:" - < report.txt`; without a message, stdin is the message.

    Uses TRIMIND_API_KEY, else the demo key, and TRIMIND_URL, else the installation that runs here.
    Exits with 1 if there is no answer. Ctrl-C leaves the job running and says how to follow it.
    """
    text = _whole(message)
    with connected() as client:
        job = client.submit(text, mind=mind, conversation_id=conversation)
        job = follow_silently(client, job) if as_json else follow_aloud(client, job)
    sys.exit(0 if job["status"] == "completed" else 1)


def _whole(parts: tuple[str, ...]) -> str:
    """The message of the command line, with stdin in the place of `-`."""
    words = " ".join(part for part in parts if part != STDIN)
    piped = _read_stdin() if STDIN in parts or not parts else ""
    whole = "\n\n".join(part for part in (words, piped) if part.strip())
    if not whole:
        raise click.UsageError('Nothing to ask: use trimind ask "…", or pipe a text to it.')
    return whole


def _read_stdin() -> str:
    if sys.stdin.isatty():
        click.echo("Type the message, then Ctrl-D.", err=True)
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise click.UsageError("stdin is not text in UTF-8.") from None
