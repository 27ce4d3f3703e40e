"""What a thread of a worker's pool does, here in the test's process and without a consumer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from models.jobs import STAGES
from tasks.execution.hop import Hop, go_on_here, offer, take_hop
from tasks.stages import compress, generate, intent, persist

T = TypeVar("T")

TASKS: dict[str, Any] = {
    name: getattr(module, name)
    for name, module in zip(STAGES, (intent, compress, generate, persist), strict=True)
}


def hop_after(job_id: str, stage: str) -> Hop | None:
    """Run this stage, queued and with a short message. Returns the hop that it leaves."""
    return _in_thread(lambda: _run(stage, job_id, _task_id(job_id, stage), _chain(job_id, stage)))


def go_through(job_id: str) -> None:
    """Run all four stages of a job with a short message, in one thread."""

    def run_all() -> None:
        first = STAGES[0]
        hop = _run(first, job_id, _task_id(job_id, first), _chain(job_id, first))
        while hop is not None:
            offer(hop.handover)
            hop = _run(hop.following.task, job_id, hop.following.id, hop.chain)

    _in_thread(run_all)


def _chain(job_id: str, stage: str) -> list[Any]:
    """What the message of a stage says of the later ones, the last one first."""
    return [
        {
            "task": later,
            "args": (job_id, 1),
            "kwargs": {},
            "options": {"queue": "llm", "task_id": _task_id(job_id, later)},
            "subtask_type": None,
            "immutable": True,
        }
        for later in reversed(STAGES[STAGES.index(stage) + 1 :])
    ]


def _task_id(job_id: str, stage: str) -> str:
    return f"{job_id}.1.{stage}"


def _run(stage: str, job_id: str, task_id: str, chain: list[Any]) -> Hop | None:
    task = TASKS[stage]
    task.push_request(id=task_id, chain=chain)
    try:
        task.run(job_id, 1)
    finally:
        task.pop_request()
    return take_hop()


def _in_thread(work: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1, initializer=go_on_here) as thread:
        return thread.submit(work).result()
