"""What turns tracing off, and what a caller can't turn on.

That nothing is imported for it then, a test of the settings shows.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from ...fresh_python import FreshPython

RECORDER = """
from config.logging import configure_logging
from tasks.tracing.recorder import begin_span, recorder
configure_logging("INFO", "text")
with begin_span("x", "server", None, {}) as span:
    print("recorded:", recorder(), span.traceparent)
"""
CALLERS = """
from tasks.tracing.recorder import begin_span
low, high = "0" * 31 + "1", "f" * 32
parents = [f"00-{trace}-{'1' * 16}-{flags}" for trace in (low, high) for flags in ("00", "01")]
print("recorded:", [begin_span("x", "server", parent, {}).records for parent in parents])
"""
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


def test_a_process_says_at_its_start_that_the_packages_are_missing(
    backends: Mapping[str, str], fresh_python: FreshPython, tmp_path: Path
) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").touch()  # hides what is installed
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import app.wsgi"
    done = fresh_python(code, env={**backends, **ENDPOINT}, check=True)
    [line] = [line for line in done.stderr.splitlines() if "tracing is off" in line]
    assert "advice=\"pip install 'trimind[tracing]'\"" in line


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OTEL_BSP_SCHEDULE_DELAY", "0", ["advice='check the variables OTEL_*'"]),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "", []),
        # OpenTelemetry's own switch.
        ("OTEL_SDK_DISABLED", "true", []),
    ],
)
def test_variables_of_opentelemetry_may_turn_it_off(
    backends: Mapping[str, str],
    fresh_python: FreshPython,
    variable: str,
    value: str,
    said: list[str],
) -> None:
    done = fresh_python(RECORDER, env={**backends, **ENDPOINT, variable: value}, check=True)
    assert done.stdout.splitlines()[-1] == "recorded: None None"
    found = [line for line in done.stderr.splitlines() if "tracing is off" in line]
    assert len(found) == len(said)
    assert all(advice in line for advice, line in zip(said, found, strict=True))


def test_a_caller_cannot_have_more_traced_than_a_ratio_allows(
    backends: Mapping[str, str], fresh_python: FreshPython
) -> None:
    ratio = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    done = fresh_python(CALLERS, env={**backends, **ENDPOINT, **ratio}, check=True)
    assert done.stdout.splitlines()[-1] == "recorded: [True, True, False, False]"
