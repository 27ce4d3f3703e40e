"""The workers and Flower: whether they answer."""

from typing import Any, Final

from kombu.exceptions import OperationalError

from app.cli.doctor.case import Case
from app.cli.doctor.finding import Finding, missing, ok, optional
from app.cli.local.readiness import flower_ready
from app.cli.local.running import FLOWER
from config.environ import variable
from config.queues import queue_of
from tasks.celery import app

ANSWER_S: Final = 1.5
PROCESSES: Final = {"llm": "worker", "cpu": "cpu"}


def check_workers(case: Case) -> Finding:
    """Each of the two queues has a worker."""
    if case.wrong:
        return missing("workers", "not checked: settings are invalid", "fix the settings first")
    served = _served()
    idle = [process for queue, process in PROCESSES.items() if queue not in served]
    found = ", ".join(f"{queue}: {' '.join(nodes)}" for queue, nodes in sorted(served.items()))
    if idle:
        lines = " and ".join(f"`{process}`" for process in idle)
        to_do = f"start the Procfile's {lines}; or `trimind up`, which starts everything"
        return missing("workers", found or "no worker answers", to_do)
    return ok("workers", found)


def _served() -> dict[str, list[str]]:
    with app.connection_for_write() as connection:
        try:
            inspect = app.control.inspect(timeout=ANSWER_S, connection=connection)
            answers: dict[str, list[dict[str, Any]]] = inspect.active_queues() or {}
        except (OperationalError, *connection.connection_errors, *connection.channel_errors):
            return {}
    served: dict[str, list[str]] = {}
    for node, queues in sorted(answers.items()):
        for queue in queues:
            nodes = served.setdefault(queue_of(queue["name"]), [])
            if node not in nodes:
                nodes.append(node)
    return served


def check_flower(case: Case) -> Finding:
    """Flower answers requests that have its password."""
    if problem := case.problem("FLOWER_BASIC_AUTH"):
        return missing("flower", problem, "set FLOWER_BASIC_AUTH=<user>:<password>")
    secret = case.settings.flower_basic_auth
    if secret is None:
        to_do = "set FLOWER_BASIC_AUTH=<user>:<password>; Flower does not start without it"
        return optional("flower", "FLOWER_BASIC_AUTH is not set", to_do)
    service = case.running.service(FLOWER)
    prefix = (variable("FLOWER_URL_PREFIX") or "").strip("/")
    url = (service and service.url) or f"http://127.0.0.1:{case.settings.flower_port}/{prefix}"
    url = url.rstrip("/")
    if flower_ready(url, secret.get_secret_value())():
        return ok("flower", f"answers at {url}")
    return optional("flower", f"does not answer at {url}", "start the Procfile's `flower`")
