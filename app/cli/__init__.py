"""The `trimind` command. Subcommands are imported on demand, which keeps help fast."""

import sys
from importlib import import_module
from typing import Final

import click

from config.logging import begin_logging, configure_logging
from config.process import name_process

COMMANDS: Final = {
    "up": "app.cli.local.up:up",
    "status": "app.cli.local.status:status",
    "ask": "app.cli.client.ask:ask",
    "job": "app.cli.client.jobs:job",
    "jobs": "app.cli.admin.jobs:jobs",
    "breakers": "app.cli.admin.breakers:breakers",
    "key": "app.cli.admin.keys:key",
    "user": "app.cli.admin.users:user",
    "usage": "app.cli.admin.usage:usage",
    "audit": "app.cli.admin.audit:audit",
    "prune": "app.cli.admin.prune:prune",
    "backup": "app.cli.local.backup:backup",
    "restore": "app.cli.local.backup:restore",
    "db": "app.cli.admin.db:db",
    "models": "app.cli.admin.models:models",
    "doctor": "app.cli.doctor:doctor",
}
# What else is understood, as `trimind jobs` is.
ALIASES: Final = {"keys": "key", "users": "user"}
# Commands that write an operator's log, by their process name in it.
PROCESSES: Final = {"up": "trimind", "db": "release"}
SUMMARIES: Final = {
    "up": "Start everything, answer a first message, keep serving.",
    "status": "Show what runs, where, and where the demo key is.",
    "ask": "Ask something; print the answer as it is generated.",
    "job": "List, show, follow, cancel and retry your jobs.",
    "jobs": "List, show, cancel and dispatch everybody's jobs.",
    "breakers": "Show the fleet's circuit breakers, or reset them.",
    "key": "Create, list and revoke API keys.",
    "user": "List users; show or change one's limits; export or delete all that is his.",
    "usage": "Show what users' jobs have used and cost.",
    "audit": "Show who changed who may do what.",
    "prune": "Delete jobs and conversations of some age, in batches.",
    "backup": "Copy the data of what `trimind up` runs into a file.",
    "restore": "Restore such a file into an empty data folder.",
    "db": "Manage the database's schema.",
    "models": "Install LLMLingua-2 and its weights.",
    "doctor": "Check every dependency and say how to fix it.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported on demand: some of them import Celery and SQLAlchemy."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        cmd_name = ALIASES.get(cmd_name, cmd_name)
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in PROCESSES:
            configure_logging("WARNING")  # to stderr: a command's output may be parsed
        elif not {"-h", "--help"}.intersection(sys.argv):
            name_process(PROCESSES[cmd_name])
            begin_logging()
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trimind", message="trimind %(version)s")
def main() -> None:
    """Trimind: an asynchronous AI pipeline that never loses an answer."""
