"""Stage 2, compress: shorten a long prompt; keep the original if that fails or saves nothing."""

import os

import structlog

from config.home import data_home
from config.once import once
from config.settings import get_settings
from models.errors import CircuitOpen
from models.stage_record import StageRecord
from tasks.compression import compressor
from tasks.compression.compressor import Compressor
from tasks.compression.errors import CompressionFailed
from tasks.compression.result import Compressed
from tasks.execution.handover import skip
from tasks.execution.stage import stage
from tasks.execution.work import Outcome, Work
from tasks.policies import COMPRESS
from tasks.resilience.breaker import circuit_breaker

log = structlog.get_logger(__name__)


@stage(COMPRESS)
def compress(work: Work) -> Outcome:
    """Compress the message if it exceeds the threshold; on failure keep the original."""
    short = skip(COMPRESS.stage, work.message)
    if short is not None:
        return Outcome(short)
    try:
        done = _compress(work, get_settings().compress_rate)
    except (CompressionFailed, CircuitOpen) as error:
        log.warning("compression failed", error=str(error))
        degraded = StageRecord(status="degraded", reason="compression_failed", compressor="none")
        return Outcome(degraded)
    if not done.shortened:
        skipped = StageRecord(status="skipped", reason="no_gain", compressor=done.compressor)
        return Outcome(skipped)
    return Outcome(
        StageRecord(
            status="completed",
            compressor=done.compressor,
            tokens_before=done.tokens_before,
            tokens_after=done.tokens_after,
        ),
        {"prompt": done.text, "tokens_saved": done.tokens_saved},
    )


def _compress(work: Work, rate: float) -> Compressed:
    chosen = chosen_compressor()
    with circuit_breaker(f"compressor:{chosen.name}", COMPRESS.breaker, work.user_id):
        return chosen.compress(work.message, rate)


@once
def chosen_compressor() -> Compressor:
    """Return LLMLingua-2 if its weights are installed, else the extractive compressor.

    Chosen once per process.
    """
    settings = get_settings()
    return compressor.choose(data_home(os.environ), settings.llmlingua_model)
