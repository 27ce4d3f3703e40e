"""`trimind models`: LLMLingua-2 and its weights."""

from functools import partial
from pathlib import Path

import click

from app.cli.local.environ import read_environment
from app.cli.local.extras import install
from app.cli.output import as_json_option, print_result
from app.cli.proxies import check_proxies
from deploy.embedded.home import data_home
from tasks.compression.errors import WeightsUnusable
from tasks.compression.model_folder import check_contents
from tasks.compression.weights import pull


@click.group()
def models() -> None:
    """Install LLMLingua-2 and its weights."""


@models.command("pull")
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Copy a local folder instead of downloading (700 MB).",
)
@as_json_option
def pull_command(source: Path | None, as_json: bool) -> None:
    """Install LLMLingua-2's packages (PyTorch: 900 MB) and its weights.

    Restart the cpu worker to use them.
    """
    home = data_home(read_environment())
    try:
        if source is not None:
            check_contents(source)  # before downloading packages for it
        check_proxies()
        install("compress")
        pull(home, source, partial(click.echo, err=as_json))
    except WeightsUnusable as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{home / 'models'}: {error.strerror or error}") from None
    if as_json:
        print_result(True, {"folder": str(home / "models")}, "")
