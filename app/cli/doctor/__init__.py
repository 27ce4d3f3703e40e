"""`trimind doctor`: a check of every dependency."""

import json
import sys
from collections.abc import Callable
from typing import Final

import click

from app.cli.doctor.case import Case
from app.cli.doctor.clocks import check_clocks
from app.cli.doctor.connections import check_connections
from app.cli.doctor.finding import Finding
from app.cli.doctor.installed import check_compress, check_embedded, check_packages, check_python
from app.cli.doctor.issuer import check_issuer
from app.cli.doctor.language import check_compressor, check_minds, check_models
from app.cli.doctor.processes import check_flower, check_workers
from app.cli.doctor.providers import check_providers
from app.cli.doctor.queues import check_queues
from app.cli.doctor.secrets import check_secrets
from app.cli.doctor.servers import check_broker, check_postgres, check_redis

CHECKS: Final[tuple[Callable[[Case], Finding], ...]] = (
    check_python,
    check_packages,
    check_compress,
    check_embedded,
    check_secrets,
    check_issuer,
    check_postgres,
    check_redis,
    check_broker,
    check_clocks,
    check_connections,
    check_workers,
    check_queues,
    check_models,
    check_providers,
    check_minds,
    check_compressor,
    check_flower,
)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON: ok, checks.")
def doctor(as_json: bool) -> None:
    """Check every dependency and say how to fix it. Exits with 1 if a required one is missing or
    wrong.

    Checks the installation named by the environment, else the one that `trimind up` runs.
    """
    case = Case.here()
    found = [check(case) for check in CHECKS]
    well = all(one.state in ("ok", "optional") for one in found)
    if as_json:
        click.echo(json.dumps({"ok": well, "checks": [one.as_dict() for one in found]}, indent=2))
    else:
        for one in found:
            click.echo(one.line())
        click.echo("Everything required is there." if well else "Something is missing or wrong.")
    sys.exit(0 if well else 1)
