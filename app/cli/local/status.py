"""`trimind status`: show what `trimind up` runs on the data folder."""

import json
import sys
from typing import Any

import click

from app.cli.local.environ import read_environment
from app.cli.local.running import Running
from deploy.embedded.status import ServiceStatus


@click.command()
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: url, services, demo_key_file, home."
)
def status(as_json: bool) -> None:
    """Show what runs, where, and where the demo key is. Exits with 1 if nothing runs."""
    running = Running.of(read_environment())
    if as_json:
        click.echo(json.dumps(_shown(running), indent=2))
    else:
        for line in _lines(running):
            click.echo(line)
    sys.exit(0 if running.url else 1)


def _shown(running: Running) -> dict[str, Any]:
    file = running.demo_key_file
    return {
        "url": running.url,
        "services": [
            {"name": s.name, "state": s.state, "pid": s.pid, "url": s.url} for s in running.services
        ],
        "demo_key_file": str(file) if file.exists() else None,
        "home": str(running.home),
    }


def _lines(running: Running) -> list[str]:
    if running.url is None:
        nothing = f"Nothing runs on TRIMIND_HOME={running.home}: start it with `trimind up`."
        return [*map(_line, running.services), nothing]
    return [
        *map(_line, running.services),
        f"data folder {running.home}",
        f"demo key    {running.demo_key_file}",
    ]


def _line(service: ServiceStatus) -> str:
    pid = "" if service.pid is None else str(service.pid)
    return f"{service.name:<11} {service.state:<10} {pid:>8}  {service.url or ''}".rstrip()
