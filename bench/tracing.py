"""What tracing adds to a job's CPU: six spans are recorded, encoded and sent to a collector.

The baseline is the same code with tracing off. The collector is another process, and not counted.
"""

import gc
import os
import time
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing import get_context
from types import SimpleNamespace
from typing import Final, cast

from bench.figures import figure
from config.settings import get_settings
from models.ids import new_id
from models.spent import Spent
from tasks.execution.stage_span import stage_span
from tasks.execution.work import Work
from tasks.llm.call_span import call_span, note_answer
from tasks.llm.models import Target
from tasks.tracing.recorder import begin_span, close_tracing, recorder, start_tracing

JOBS: Final = 1500
SENT_WITHIN_S: Final = 3.0
STAGES: Final = ("intent", "compress", "generate", "persist")
ENVIRON: Final = {
    "DATABASE_URL": "postgresql://bench@127.0.0.1:9/bench",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SHARED_SECRET": "bench" * 8,
    "EMBEDDED_MODEL_URL": "http://127.0.0.1:9",
    "OTEL_BSP_MAX_QUEUE_SIZE": "100000",  # this is far faster than any worker
}
TARGET: Final = Target("openai/gpt-5.4-mini", "openai", "openai/gpt-5.4-mini", None, "", 1, 1)
SPENT: Final = Spent(10, 20, Decimal("0.001"))


class Collector(BaseHTTPRequestHandler):
    """Reads what it gets, and answers."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def main() -> None:
    """Measure, print, clean up."""
    server = HTTPServer(("127.0.0.1", 0), Collector)
    collector = get_context("fork").Process(target=server.serve_forever, daemon=True)
    collector.start()
    os.environ |= ENVIRON
    gc.freeze()
    gc.set_threshold(10_000)  # as in workers
    off = _cpu_us()
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
    get_settings.cache_clear()
    recorder.cache_clear()
    start_tracing()
    on = _cpu_us()
    collector.kill()
    figure("off", off, "µs of CPU")
    figure("on", on, "µs of CPU")
    figure("tracing", on - off, "µs of CPU")


def _cpu_us() -> float:
    """The CPU of one job in this process, of the thread that sends its spans too."""
    for _ in range(JOBS // 10):
        _trace_job()
    before = time.process_time()
    for _ in range(JOBS):
        _trace_job()
    close_tracing()
    time.sleep(SENT_WITHIN_S)
    return (time.process_time() - before) / JOBS * 1e6


def _trace_job() -> None:
    """The spans of a request, of the stages of its job, and of one call."""
    job_id = new_id("job")
    about = {
        "http.request.method": "POST",
        "http.route": "/v1/jobs",
        "trimind.request_id": "req_01K8Z5M5V4Q2W9X7Y3T1N6P0RC",
    }
    with begin_span("POST /v1/jobs", "server", None, about) as request:
        request.set({"trimind.job_id": job_id})
        request.set({"http.response.status_code": 202})
    for stage in STAGES:
        fence = SimpleNamespace(job_id=job_id, epoch=1, stage=stage)
        run = SimpleNamespace(fence=fence, attempts=0, traceparent=request.traceparent)
        with stage_span(cast(Work, run)):
            if stage == "generate":
                with call_span(TARGET, []) as call:
                    note_answer(call, "", SPENT)


if __name__ == "__main__":
    main()
