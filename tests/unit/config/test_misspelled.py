"""A misspelled variable is reported; other programs' variables are not."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config.misspelled import BESIDE_SETTINGS, misspelled, warn_of_misspelled
from config.settings import Settings


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("WEB_TREADS", "WEB_THREADS"),
        ("OPENAI_API_KEYY", "OPENAI_API_KEY"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("DATABASE_ULR", "DATABASE_URL"),
        ("SHARED_SECERT", "SHARED_SECRET"),
        ("ANTROPIC_API_KEY", "ANTHROPIC_API_KEY"),
        ("WEB_CONCURENCY", "WEB_CONCURRENCY"),
        ("trimind_home", "TRIMIND_HOME"),
    ],
)
def test_a_misspelled_variable_is_reported_with_what_was_meant(name: str, meant: str) -> None:
    assert list(misspelled([name])) == [(name, meant)]


def test_variables_of_ours_in_any_case_that_counts_raise_no_alarm() -> None:
    ours = [field.upper() for field in Settings.model_fields]

    assert list(misspelled([*ours, *(name.lower() for name in ours), *BESIDE_SETTINGS])) == []


def test_variables_of_other_programs_raise_no_alarm() -> None:
    others = """PATH HOME USER LANG TERM SHELL PWD HOSTNAME TZ DYNO CI DEBUG ENV LOGNAME EDITOR
        REDIS_TLS_URL REDIS_HOST REDIS_PORT REDIS_PASSWORD DATABASE_PRIVATE_URL DATABASE_HOST
        DATABASE_NAME HEROKU_APP_NAME RENDER_EXTERNAL_URL FLY_APP_NAME GITHUB_TOKEN GITHUB_ACTIONS
        OPENAI_BASE_URL OPENAI_ORG_ID OPENAI_ORGANIZATION ANTHROPIC_BASE_URL GEMINI_API_KEY
        AZURE_API_KEY MISTRAL_API_KEY LOG_FILE LOG_DIR CELERY_BROKER_URL BROKER_HOST HTTP_PROXY
        HTTPS_PROXY NO_PROXY ALL_PROXY SSL_CERT_FILE REQUESTS_CA_BUNDLE PIP_INDEX_URL
        PYTHONUNBUFFERED PYTHONPATH VIRTUAL_ENV PGHOST PGPASSWORD POSTGRES_URL WEB_MEMORY PORTS
        SECRET_KEY SECRET SUPABASE_URL KUBERNETES_SERVICE_HOST PROCESS_TYPE MAX_THREADS
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT OTEL_EXPORTER_OTLP_HEADERS OTEL_TRACES_SAMPLER"""

    assert list(misspelled(others.split())) == []


def test_files_are_searched_too_and_each_variable_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABSE_URL", "postgresql://a@127.0.0.1/a")
    (tmp_path / ".env").write_text(
        "WEB_TREADS=3\nexport DATABSE_URL=postgresql://b@127.0.0.1/b\nLOG_LEVEL=INFO\nPATHS=/\n"
    )
    (tmp_path / ".env.local").write_text("web_treads=$WEB_THREADS\nSHARED_SECERT=canary\n")

    with capture_logs() as logs:
        warn_of_misspelled()

    shown = [(line["variable"], line["did_you_mean"], line["found_in"]) for line in logs]
    assert shown == [
        ("DATABSE_URL", "DATABASE_URL", "environment"),
        ("WEB_TREADS", "WEB_THREADS", ".env"),
        ("web_treads", "WEB_THREADS", ".env.local"),
        ("SHARED_SECERT", "SHARED_SECRET", ".env.local"),
    ]
    assert "canary" not in str(logs)
