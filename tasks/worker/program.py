"""What a Celery program (`python -m tasks worker`, `celery … flower`) does before anything else.

Celery's command has read environment variables by then, and Flower will read more: a wrong one ends
the process here, named in the message.
"""

import gc
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

from config.logging import WORKERS, begin_logging
from config.process import name_process
from config.settings import settings_or_exit

# The beginning of `sys.argv`, once `tasks/__main__.py` runs.
COMMAND: Final = ["-m", "tasks"]
_OF_QUEUES: Final = {"llm": "worker", "cpu": "cpu"}


def begin_program() -> None:
    """Begin the log and check the settings, if this process is one of Celery's."""
    process = _process()
    if process is None:
        return
    name_process(process)
    if process in WORKERS:
        # Imports make thousands of classes and no garbage: to look for some took a fifth of a
        # start's time. A worker that is ready (`bootstrap.py`) turns it on again.
        gc.disable()
    begin_logging()
    settings_or_exit()
    if process == "flower":
        import_module("config.flower_environ").check_flower_environ()


def _process() -> str | None:
    """The Procfile's name of this process; None if it is not one of Celery's."""
    if not _is_celery():
        return None
    if "flower" in sys.argv:
        return "flower"
    queues = [sys.argv[at + 1] for at, word in enumerate(sys.argv[:-1]) if word == "--queues"]
    return _OF_QUEUES.get(queues[0], "worker") if queues else "worker"


def _is_celery() -> bool:
    program = Path(sys.argv[0])
    names = (program.name, program.parent.name)  # the latter: python -m celery
    return sys.argv[: len(COMMAND)] == COMMAND or "celery" in names
