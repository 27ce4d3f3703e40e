"""A real PgBouncer in transaction mode, from Debian's package, without root."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from deploy.embedded.ports import free_port
from tests.conftest import wait_until
from tests.integration.debian import unpacked

PACKAGES = ("pgbouncer", "libevent-2.1-7", "libc-ares2")


@contextmanager
def pooled(database_url: str, *, size: int = 4) -> Iterator[str]:
    """The URL of a pooler in front of a database, with `size` connections to the server."""
    said = conninfo_to_dict(database_url.replace("+psycopg", ""))
    folder, port = Path(tempfile.mkdtemp(prefix="trimind-pooler-", dir="/tmp")), free_port()
    folder.chmod(0o755)
    target = {"user": said["user"], "host": said["host"], "port": said.get("port", 5432)}
    (folder / "users.txt").write_text(f'"{said["user"]}" "{said.get("password", "")}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{said['dbname']} = {' '.join(f'{k}={v}' for k, v in target.items())}\n"
        f"[pgbouncer]\npool_mode = transaction\ndefault_pool_size = {size}\n"
        f"max_client_conn = 200\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"unix_socket_dir =\nauth_type = any\nauth_file = {folder}/users.txt\n"
    )
    command = [str(_files() / "usr/sbin/pgbouncer"), str(folder / "pgbouncer.ini")]
    # PgBouncer refuses to run as root, and only the server's user can enter its socket's folder.
    owner = Path(str(said["host"])).stat()
    given: dict[str, Any] = (
        {"user": owner.st_uid, "group": owner.st_gid} if os.getuid() == 0 else {}
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=_environment(), stderr=log, **given)
    url = f"postgresql://{said['user']}@127.0.0.1:{port}/{said['dbname']}"
    try:
        wait_until(lambda: _answers(url), 10)
        yield url
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def _files() -> Path:
    return unpacked("pgbouncer", PACKAGES)


def _environment() -> dict[str, str]:
    libraries = [str(path) for path in _files().glob("usr/lib/*-linux-gnu")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}
