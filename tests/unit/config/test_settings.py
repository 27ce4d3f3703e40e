"""Settings are read from the environment, and refused by name."""

import os
from pathlib import Path

import pytest
from redis.connection import parse_url

from config.redis_servers import sentinel_options
from config.settings import PROVIDER_KEYS, Settings, SettingsError, read_settings
from tests.fresh_python import FreshPython

SECRET = "s" * 32
ENOUGH = {
    "DATABASE_URL": "postgres://u:hidden@db.example/app",
    "REDIS_URL": "redis://:hidden@redis.example:6379/0",
    "SHARED_SECRET": SECRET,
}


@pytest.fixture(autouse=True)
def enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with only the required settings."""
    for name, value in ENOUGH.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", ENOUGH)
@pytest.mark.parametrize("value", [None, "", " ", "\n", " \t\n"])
def test_a_missing_variable_is_named_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}: is missing; set {name}="):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://u@db/app"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "postgresql://u@db:port/app"),
        ("REDIS_URL", "redis://redis:99999/0"),
        ("REDIS_URL", "http://redis"),
        ("REDIS_URL", "redis:///0"),
        ("REDIS_URL", "redis+sentinel://:canary@a:1,b:1"),
        ("REDIS_SSL_CA_CERTS", "/no/such/file.pem"),
        ("BROKER_URL", "kafka://broker"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/?key=1"),
        ("SHARED_SECRET", "s" * 31),
        ("FLOWER_BASIC_AUTH", "nopassword"),
        ("JWT_ISSUER", "http://issuer.example"),
        ("JWT_ISSUER", "issuer.example"),
        ("JWT_ISSUER", "https:///path"),
        ("JWT_ISSUER", "https://user:secret@issuer.example"),
        ("JWT_JWKS_URL", "file:///etc/keys.json"),
        ("JWT_JWKS_URL", "https://issuer.example:port/keys"),
        ("CORS_ORIGINS", "app.example.org"),
        ("CORS_ORIGINS", "https://app.example.com,https://app.example.org/"),
        ("CORS_ORIGINS", "https://*.example.org"),
        ("CORS_ORIGINS", "https://app.example.org https://b.example.org"),
        ("PORT", "0"),
        ("PORT", "eighty"),
        ("MAX_TOKENS", "0"),
        ("COMPRESS_RATE", "1.5"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name_and_never_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}: ") as refused:
        read_settings()
    assert value not in str(refused.value).replace(f"set {name}=", "")


def test_all_wrong_variables_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("REDIS_URL", "http://redis")
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert [line.split(":")[0] for line in str(refused.value).splitlines()] == [
        "DATABASE_URL",
        "REDIS_URL",
    ]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_a_postgresql_url_is_driven_by_psycopg(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://u:p@db/app")
    url = read_settings().database_url.get_secret_value()
    assert url == "postgresql+psycopg://u:p@db/app"


def test_an_encrypted_redis_is_checked_unless_its_url_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", "rediss://:p@redis:6380/0")
    assert read_settings().broker == "rediss://:p@redis:6380/0?ssl_cert_reqs=required"
    monkeypatch.setenv("REDIS_URL", "rediss://:p@redis:6380/0?ssl_cert_reqs=none")
    assert read_settings().broker == "rediss://:p@redis:6380/0?ssl_cert_reqs=none"


@pytest.mark.parametrize("variable", ["REDIS_URL", "BROKER_URL"])
def test_a_variable_may_say_so_for_a_url_that_a_platform_sets(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("REDIS_SSL_CERT_REQS", "none")
    monkeypatch.setenv(variable, "rediss://:p@redis:6380/0")
    assert read_settings().broker == "rediss://:p@redis:6380/0?ssl_cert_reqs=none"
    monkeypatch.setenv(variable, "rediss://:p@redis:6380/0?ssl_cert_reqs=required")
    assert read_settings().broker == "rediss://:p@redis:6380/0?ssl_cert_reqs=required"


@pytest.mark.parametrize("variable", ["REDIS_URL", "BROKER_URL"])
def test_an_authority_is_named_for_servers_with_tls_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    authority = tmp_path / "its & own.pem"
    authority.touch()
    monkeypatch.setenv("REDIS_SSL_CA_CERTS", str(authority))
    monkeypatch.setenv(variable, "rediss://:p@redis:6380/0")
    found = parse_url(read_settings().broker)
    assert found["ssl_ca_certs"] == str(authority)
    monkeypatch.setenv(variable, "rediss://:p@redis:6380/0?ssl_ca_certs=/another.pem")
    assert parse_url(read_settings().broker)["ssl_ca_certs"] == "/another.pem"
    monkeypatch.setenv(variable, "redis://:p@redis:6380/0")
    assert read_settings().broker == "redis://:p@redis:6380/0"


def test_sentinels_get_their_own_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_SENTINEL_PASSWORD", "o&f them")
    monkeypatch.setenv("REDIS_URL", "redis+sentinel://:p@a,b:1/main/3")
    found = sentinel_options(read_settings().broker, retry=None)
    assert found.sentinels == [("a", 26379), ("b", 1)]
    assert (found.name, found.secure) == ("main", False)
    assert found.of_sentinels["password"] == "o&f them"
    assert found.of_primary == {"retry": None, "password": "p", "db": 3}


def test_the_broker_is_redis_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().broker == ENOUGH["REDIS_URL"]
    monkeypatch.setenv("BROKER_URL", "amqp://u:p@rabbit:5672//")
    assert read_settings().broker == "amqp://u:p@rabbit:5672//"


def test_the_environment_wins_over_env_local_which_wins_over_env(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=a\nANTHROPIC_API_KEY=a\nGOOGLE_API_KEY=a\n")
    (tmp_path / ".env.local").write_text("OPENAI_API_KEY=b\nANTHROPIC_API_KEY=b\n")
    monkeypatch.setenv("OPENAI_API_KEY", "c")
    settings = read_settings()
    keys = [settings.provider_key(name) for name in ("openai", "anthropic", "gemini")]
    assert keys == ["c", "b", "a"]


def test_secrets_do_not_show_in_a_repr() -> None:
    assert "hidden" not in repr(read_settings())
    assert SECRET not in repr(read_settings())


def test_importing_the_whole_program_overrides_no_real_key_and_imports_nothing_to_trace(
    fresh_python: FreshPython,
) -> None:
    """The replaced system set dummy keys when it was imported. What Redis's client imports of
    OpenTelemetry, it imports for itself."""
    keys = dict.fromkeys(PROVIDER_KEYS.values(), "a-real-key")
    program = (
        "import os, sys; before = dict(os.environ)\n"
        "import redis; theirs = set(sys.modules)\n"
        "import app.factory, tasks.jobs.commands, tasks.worker.bootstrap, tasks.stages.generate\n"
        f"assert all(os.environ[k] == 'a-real-key' for k in {list(keys)!r})\n"
        "from config.settings import get_settings\n"
        "assert get_settings().provider_key('openai') == 'a-real-key'\n"
        "changed = {k for k, v in os.environ.items() if before.get(k) != v}\n"
        "print(sorted(k for k in changed if 'KEY' in k))\n"
        "ours = set(sys.modules) - theirs\n"
        "print(sorted(each for each in ours if each.startswith('opentelemetry')))\n"
    )
    done = fresh_python(program, env={**os.environ, **keys})
    assert (done.stdout, done.returncode) == ("[]\n[]\n", 0), done.stderr


def test_a_lease_is_long_enough_for_two_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE_S", "19")
    with pytest.raises(SettingsError, match="BEAT_S: is not less than half of LEASE_S"):
        read_settings()


@pytest.mark.parametrize("blank", ["", " ", "\n", "\t \r\n"])
def test_a_blank_variable_is_not_set_whichever_it_is(
    monkeypatch: pytest.MonkeyPatch, blank: str
) -> None:
    unset = read_settings()
    for field in Settings.model_fields:
        if field.upper() not in ENOUGH:
            monkeypatch.setenv(field.upper(), blank)
    assert read_settings() == unset


def test_white_space_around_a_value_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"PORT": "8001\n", "LEASE_S": " 40 ", "LOG_FORMAT": "json\n", "DOCS": "off\n"}
    given |= {"OPENAI_API_KEY": "a-key\n", "REDIS_URL": f"{ENOUGH['REDIS_URL']}\n"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    found = read_settings()
    assert (found.port, found.lease_s, found.log_format, found.docs) == (8001, 40, "json", False)
    assert (found.provider_key("openai"), found.broker) == ("a-key", ENOUGH["REDIS_URL"])


def test_the_keys_of_hmacs_are_taken_to_the_last_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_SECRET", f"{SECRET}\n")
    assert read_settings().pepper == f"{SECRET}\n".encode()


def test_blanks_in_a_file_are_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=' '\nWEB_THREADS='8 '\n")
    assert (read_settings().port, read_settings().web_threads) == (8000, 8)


def test_the_issuers_keys_are_where_clerk_has_them_unless_it_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read_settings().jwks_url is None
    monkeypatch.setenv("JWT_ISSUER", "https://issuer.example/")
    assert read_settings().jwks_url == "https://issuer.example/.well-known/jwks.json"
    monkeypatch.setenv("JWT_JWKS_URL", "http://127.0.0.1:9/keys")
    assert read_settings().jwks_url == "http://127.0.0.1:9/keys"


def test_the_parties_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().authorized_parties == frozenset()
    monkeypatch.setenv("JWT_AUTHORIZED_PARTIES", " https://a.example,,https://b.example ,")
    assert read_settings().authorized_parties == {"https://a.example", "https://b.example"}
