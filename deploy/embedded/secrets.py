"""The secrets that nobody has set: made once, kept in the data folder."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.embedded.errors import HomeUnusableError
from deploy.embedded.home import write_private


@dataclass(frozen=True)
class Secrets:
    """What the embedded installation needs to keep to itself; never printed."""

    shared_secret: str
    flower_basic_auth: str
    redis_password: str

    def __repr__(self) -> str:
        return "Secrets(***)"

    @classmethod
    def of(cls, home: Path) -> "Secrets":
        """Reads `secrets.json` (0600) of the data folder; makes it the first time.

        Raises:
            HomeUnusableError: the file is there, but not what was written.
        """
        path = home / "secrets.json"
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            made = cls._made()
            write_private(path, json.dumps(asdict(made)))
            return made
        except (ValueError, TypeError) as error:
            raise HomeUnusableError(
                f"{path} is damaged: remove it, and new secrets are made"
            ) from error

    @classmethod
    def _made(cls) -> "Secrets":
        return cls(
            shared_secret=secrets.token_urlsafe(32),
            flower_basic_auth=f"operator:{secrets.token_urlsafe(18)}",
            redis_password=secrets.token_urlsafe(24),
        )
