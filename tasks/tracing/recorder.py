"""What records the spans of this process, if anything does."""

from collections.abc import Mapping
from typing import Final, Literal, Protocol

import structlog

from config.environ import said
from config.once import once
from config.settings import get_settings
from tasks.tracing.spans import UNRECORDED, Attribute, Span

Kind = Literal["server", "consumer", "client"]

INSTALL: Final = "pip install 'trimind[tracing]'"

log = structlog.get_logger(__name__)


class Recorder(Protocol):
    """Records spans."""

    def begin(
        self, name: str, kind: Kind, parent: str | None, attributes: Mapping[str, Attribute]
    ) -> Span:
        """Begin a span."""

    def close(self) -> None:
        """Send what has ended, within a second; nothing is recorded from now on."""


@once
def recorder() -> Recorder | None:
    """The recorder of this process; None if tracing is off, or not possible, which is logged. No
    process forks after that."""
    if get_settings().otel_exporter_otlp_endpoint is None or _is_disabled():
        return None
    try:
        from tasks.tracing.recording import OtelRecorder

        return OtelRecorder()
    except ImportError as error:
        log.warning("tracing is off", error=str(error), advice=INSTALL)
    except (RuntimeError, ValueError) as error:  # of a variable that OpenTelemetry reads
        log.warning("tracing is off", error=str(error), advice="check the variables OTEL_*")
    return None


def begin_span(
    name: str, kind: Kind, parent: str | None, attributes: Mapping[str, Attribute]
) -> Span:
    """Begin a span after `parent`, a `traceparent`; without one, a new trace."""
    recording = recorder()
    if recording is None:
        return UNRECORDED
    return recording.begin(name, kind, parent, attributes)


def start_tracing() -> None:
    """Get ready to record, if that is wanted: a process says at its start why it can't."""
    recorder()


def close_tracing() -> None:
    """Send what has ended, where a process ends without Python's own end."""
    recording = recorder()
    if recording is not None:
        recording.close()


def _is_disabled() -> bool:
    return (said("OTEL_SDK_DISABLED") or "").lower() == "true"
