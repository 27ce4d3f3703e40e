"""The installation that `trimind up` runs on a data folder, seen from another process."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from app.cli.local.environ import KNOWN, read_environment
from config.settings import SettingsError, read_settings
from deploy.embedded.home import data_home
from deploy.embedded.status import ServiceStatus, read_services

DEMO_KEY: Final = "demo-key"
WEB: Final = "web"
FLOWER: Final = "flower"


@dataclass(frozen=True)
class Running:
    """A data folder and the services that run on it."""

    home: Path
    services: tuple[ServiceStatus, ...]

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Running":
        """The services on the environment's data folder."""
        home = data_home(environ)
        try:
            return cls(home, tuple(read_services(home)))
        except PermissionError:
            raise click.ClickException(
                f"TRIMIND_HOME={home} belongs to another user: run this command as that user"
            ) from None

    @property
    def url(self) -> str | None:
        """The web process's URL; None while it does not run."""
        web = self.service(WEB)
        return web.url if web else None

    @property
    def demo_key_file(self) -> Path:
        """The file that holds the demo key after the first start."""
        return self.home / DEMO_KEY

    def service(self, name: str) -> ServiceStatus | None:
        """A service whose process is alive."""
        return next((s for s in self.services if s.name == name and s.state == "healthy"), None)

    def environment(self) -> dict[str, str]:
        """The web process's settings; empty while it does not run.

        Read from the process itself, so that no secret has to be stored.
        """
        web = self.service(WEB)
        if web is None:
            return {}
        try:
            text = Path(f"/proc/{web.pid}/environ").read_bytes()
        except OSError:  # the process has just ended, or belongs to another user
            return {}
        pairs = (os.fsdecode(pair).partition("=") for pair in text.split(b"\0"))
        return {name: value for name, _, value in pairs if name in KNOWN and value}


def join_installation() -> None:
    """Use the settings of the installation that runs here, unless DATABASE_URL is set."""
    environ = read_environment()
    if "DATABASE_URL" not in environ:
        os.environ.update(Running.of(environ).environment())


def join_installation_or_fail() -> None:
    """Like `join_installation`, but require an installation.

    Raises:
        ClickException: there is none; names the variables to set.
    """
    join_installation()
    try:
        read_settings()
    except SettingsError as error:
        raise click.ClickException(
            f"nothing runs on TRIMIND_HOME={data_home(read_environment())}: start it with"
            f" `trimind up`, or set the variables of another installation:\n{error}"
        ) from None
