"""Generated secrets, stored in the data folder."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.embedded.errors import HomeUnusableError
from deploy.embedded.home import write_private


@dataclass(frozen=True)
class Secrets:
    """The embedded installation's secrets; never printed."""

    shared_secret: str
    flower_basic_auth: str
    redis_password: str

    def __repr__(self) -> str:
        return "Secrets(***)"

    @classmethod
    def of(cls, home: Path) -> "Secrets":
        """Read `secrets.json` (0600) of the data folder; generate it the first time.

        Raises:
            HomeUnusableError: the file is damaged.
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
                f"{path} is damaged: remove it to generate new secrets"
            ) from error

    @classmethod
    def _made(cls) -> "Secrets":
        return cls(
            shared_secret=secrets.token_urlsafe(32),
            flower_basic_auth=f"operator:{secrets.token_urlsafe(18)}",
            redis_password=secrets.token_urlsafe(24),
        )
