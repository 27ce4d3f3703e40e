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
    """A data folder and what runs on it."""

    home: Path
    services: tuple[ServiceStatus, ...]

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Running":
        """What runs on the data folder that the environment names."""
        home = data_home(environ)
        try:
            return cls(home, tuple(read_services(home)))
        except PermissionError:
            raise click.ClickException(
                f"TRIMIND_HOME={home} belongs to another user: run this as that user"
            ) from None

    @property
    def url(self) -> str | None:
        """Where the web answers, None where it does not run."""
        web = self.service(WEB)
        return web.url if web else None

    @property
    def demo_key_file(self) -> Path:
        """Where the demo key lies once the first start was ready."""
        return self.home / DEMO_KEY

    def service(self, name: str) -> ServiceStatus | None:
        """A service that has a living process."""
        return next((s for s in self.services if s.name == name and s.state == "healthy"), None)

    def environment(self) -> dict[str, str]:
        """The settings of the web's process; empty where none runs.

        Read from the process itself, so that no secret is written down for it.
        """
        web = self.service(WEB)
        if web is None:
            return {}
        try:
            text = Path(f"/proc/{web.pid}/environ").read_bytes()
        except OSError:  # it has just ended, or is another user's
            return {}
        pairs = (os.fsdecode(pair).partition("=") for pair in text.split(b"\0"))
        return {name: value for name, _, value in pairs if name in KNOWN and value}


def join_installation() -> None:
    """Take over the settings of what runs here, unless the environment names another database."""
    environ = read_environment()
    if "DATABASE_URL" not in environ:
        os.environ.update(Running.of(environ).environment())


def join_installation_or_fail() -> None:
    """The same; raises ClickException, naming what to set, where there is no installation."""
    join_installation()
    try:
        read_settings()
    except SettingsError as error:
        raise click.ClickException(
            f"nothing runs on TRIMIND_HOME={data_home(read_environment())} (`trimind up` starts"
            f" it), and the environment names no other installation:\n{error}"
        ) from None
