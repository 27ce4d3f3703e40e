"""What a Celery program (`python -m tasks worker`, `celery … flower`) does before anything else.

Celery's command has read environment variables by then, and Flower will read more: a wrong one ends
the process here, named in the message.
"""

import gc
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from config.logging import WORKERS, begin_logging
from config.process import name_process
from config.refused_passwords import refused_passwords
from config.settings import Settings, refuse_start, settings_or_exit

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
    settings = settings_or_exit()
    if process in WORKERS and find_spec("litellm") is None:
        refuse_start("LiteLLM is not installed: install Trimind with its extra `worker`")
    _refuse_unusable_servers(process, settings)
    if process == "flower":
        import_module("config.flower_environ").check_flower_environ()
        _use_our_flower_settings()


def _refuse_unusable_servers(process: str, settings: Settings) -> None:
    if process in WORKERS:  # Flower has no database, and does without SQLAlchemy
        import_module("models.preflight").refuse_unusable_servers(settings)
    elif problems := list(refused_passwords(settings)):
        refuse_start("\n".join(problems))


def _use_our_flower_settings() -> None:
    """Add `--conf`, unless it was given: without our settings Flower would ask for no password."""
    ours = find_spec("config.flower")
    given = any(word.startswith("--conf") for word in sys.argv)
    if sys.argv[: len(COMMAND)] == COMMAND and ours is not None and not given:
        sys.argv.append(f"--conf={ours.origin}")


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
