"""`trimind backup` and `restore`: the data of what `trimind up` runs, in one file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from app.cli.local.environ import read_environment
from app.cli.output import as_json_option, print_result
from deploy.embedded.archive import back_up
from deploy.embedded.archive import restore as restore_archive
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import data_home

_FILE: Final = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=_FILE)
@as_json_option
def backup(file: Path, as_json: bool) -> None:
    """Copy the data of `trimind up` into a new FILE (tar.gz): database, secrets, demo key.

    Stop it first. FILE has secrets and everybody's messages: keep it as safe as the data. Servers
    of your own (DATABASE_URL) are backed up by their own tools, such as pg_dump.
    """
    home = data_home(read_environment())
    with _told(file):
        size = back_up(home, file)
    text = f"{file}: {size / 1e6:.1f} MB, of TRIMIND_HOME={home}"
    print_result(as_json, {"file": str(file), "bytes": size, "home": str(home)}, text)


@click.command()
@click.argument("file", type=_FILE)
@as_json_option
def restore(file: Path, as_json: bool) -> None:
    """Restore a FILE of `trimind backup` into TRIMIND_HOME, which must have no data.

    A newer release migrates it when `trimind up` starts; an older one can't read it.
    """
    home = data_home(read_environment())
    with _told(file):
        restore_archive(file, home)
    text = f"TRIMIND_HOME={home} is restored: start it with `trimind up`"
    print_result(as_json, {"file": str(file), "home": str(home)}, text)


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or file}: {error.strerror or error}") from None
