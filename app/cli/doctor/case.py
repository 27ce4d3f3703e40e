"""What the doctor checks: the settings, as far as they are valid."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.cli.local.environ import read_environment
from app.cli.local.running import Running, join_installation
from config.settings import Settings, SettingsError, read_settings
from deploy.embedded.home import data_home

# Replace invalid values, so that the other settings can be read; nothing connects to them.
_STAND_INS: Final = {
    "database_url": "postgresql://unset@localhost/unset",
    "redis_url": "redis://unset",
    "shared_secret": "unset" * 10,
}


@dataclass(frozen=True)
class Case:
    """Settings with stand-ins for invalid values, and the problems by variable."""

    settings: Settings
    wrong: dict[str, str]
    home: Path
    running: Running

    @classmethod
    def here(cls) -> "Case":
        """The environment's installation, else the one that runs on the data folder."""
        running = Running.of(read_environment())
        join_installation()
        wrong = _wrong()
        settings = Settings(**{name.lower(): _stand_in(name.lower()) for name in wrong})
        return cls(settings, wrong, data_home(read_environment()), running)

    def problem(self, *variables: str) -> str | None:
        """The problem with one of these variables, if there is one."""
        return next((self.wrong[name] for name in variables if name in self.wrong), None)


def _wrong() -> dict[str, str]:
    try:
        read_settings()
    except SettingsError as error:
        return {line.partition(":")[0]: line for line in str(error).splitlines()}
    return {}


def _stand_in(field: str) -> Any:
    return _STAND_INS.get(field, Settings.model_fields[field].default)
