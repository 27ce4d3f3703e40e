"""`trimind up`: run everything on one machine until a signal."""

import os
import shlex
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import click

from app.cli.local.demo import NAME, demo_key, earlier_jobs, show_first_message, sign_in_token
from app.cli.local.environ import read_environment
from app.cli.local.parent import end_with_parent
from app.cli.local.ports import addresses
from app.cli.local.running import DEMO_KEY
from app.cli.local.services import Addresses, application
from config.minds import minds_or_exit
from config.settings import SettingsError, get_settings
from deploy.embedded.backends import Backends
from deploy.embedded.console import Console
from deploy.embedded.errors import FULL, EmbeddedError, HomeUnusableError, StopRequestedError
from deploy.embedded.home import data_home
from deploy.embedded.supervisor import Supervisor
from models.errors import TrimindError
from trimind import Client, TrimindClientError


@click.command()
@click.option("--with-parent", is_flag=True, hidden=True, help="End when the parent process dies.")
@click.option("--json", "as_json", is_flag=True, help="Log JSON, as LOG_FORMAT=json does.")
def up(with_parent: bool, as_json: bool) -> None:
    """Start everything, answer a first message, keep serving.

    Starts PostgreSQL, Redis and a model unless DATABASE_URL, REDIS_URL or a provider's key is set,
    then the Procfile's processes. PORT is the web process's port (8000), TRIMIND_HOME the data
    folder. Ctrl-C stops everything.
    """
    if with_parent:
        end_with_parent()
    environ = read_environment() | ({"LOG_FORMAT": "json"} if as_json else {})
    as_json = environ.get("LOG_FORMAT", "").strip() == "json"
    log = Console(sys.__stdout__, as_json=as_json)
    home = data_home(environ)
    try:
        with Supervisor(home, log) as supervisor:
            supervisor.handle_signals()
            _serve(supervisor, environ, log)
    except StopRequestedError:  # while services were starting: all of them have been stopped
        return
    except (EmbeddedError, SettingsError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise click.ClickException(str(HomeUnusableError.by(home, error))) from None


def _serve(supervisor: Supervisor, environ: Mapping[str, str], log: Console) -> None:
    began = time.monotonic()
    log(NAME, f"data folder {supervisor.home}")
    backends = Backends(supervisor.home, environ)
    full = {**environ, **backends.environment()}
    os.environ.update(full)  # the demo key and the pings use the application's own code
    settings = get_settings()
    minds_or_exit()
    where = addresses(environ, settings)
    processes = application(full, where, backends.names())
    supervisor.start([*backends.services(), *processes])
    log(NAME, f"ready in {time.monotonic() - began:.1f} s")
    # In a thread, since the supervisor has to watch the services meanwhile.
    threading.Thread(target=_welcome, args=(supervisor, where, log), daemon=True).start()
    supervisor.run()


def _welcome(supervisor: Supervisor, where: Addresses, log: Console) -> None:
    try:
        log(NAME, f"in the database: {earlier_jobs()}")
        key = demo_key(supervisor.home / DEMO_KEY)
        with Client(where.web_url, key) as client:
            show_first_message(client, log)
    except (TrimindError, TrimindClientError, OSError) as error:
        log(NAME, f"no first answer: {error}")
        return
    log.wait_for_quiet()  # the workers log lines about the first message too
    for line in _addresses(supervisor.home, where):
        log(NAME, line)


def _addresses(home: Path, where: Addresses) -> list[str]:
    return [
        "serving; press Ctrl-C to stop:",
        f"  flower     {where.flower_url} (user and password: FLOWER_BASIC_AUTH, or in"
        f" {home / 'secrets.json'})",
        f"  page       {where.web_url}/#sign-in={sign_in_token()} (signs in once, within an hour)",
        f"  API        {where.web_url}/v1 (reference: {where.web_url}/docs)",
        f"  demo key   in {home / DEMO_KEY}",
        f'  ask        {_how_to_call(home)} ask "What is the capital of France?"',
    ]


def _how_to_call(home: Path) -> str:
    """The command as it was called here, with the data folder unless it is the default."""
    chosen = "" if home == data_home({}) else f"TRIMIND_HOME={shlex.quote(str(home))} "
    return chosen + shlex.quote(sys.argv[0])
