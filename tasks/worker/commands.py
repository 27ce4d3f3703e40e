"""Celery's commands, each imported only if it is the one that runs."""

from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click
from celery.bin.base import CLIContext

from tasks.celery import app

_WHERE: Final = {"worker": "celery.bin.worker", "flower": "flower.command"}


class _Commands(click.Group):
    def list_commands(self, _: click.Context) -> list[str]:
        return list(_WHERE)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if name not in _WHERE:
            return None
        found: click.Command = getattr(import_module(_WHERE[name]), name)
        return found


def run_command(arguments: Sequence[str]) -> None:
    """Run a command with its arguments, without Celery's banner; ends the process.

    Raises:
        SystemExit: when it has ended.
    """
    commands = _Commands(name="tasks", help=f"The commands of {app.main}.")
    commands.main(
        arguments,
        prog_name="python -m tasks",
        auto_envvar_prefix="CELERY",  # as Celery's own
        obj=CLIContext(app=app, no_color=True, workdir=None, quiet=True),
    )
