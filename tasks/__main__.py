"""`python -m tasks worker …` and `python -m tasks flower …`: Celery's own commands.

`celery --app tasks.celery worker …` starts the same worker. But Celery's command first imports all
of its commands, and each that an installed library adds: a terminal's prompt in every process and
Flower in every worker, 13 MB and 0.2 s of CPU.
"""

import sys

from tasks.worker.program import COMMAND, begin_program

if __name__ == "__main__":
    # What Celery executes again after SIGHUP, and what a prefork pool's children know.
    sys.argv[:1] = COMMAND
    begin_program()

    from tasks.worker.commands import run_command

    run_command(sys.argv[len(COMMAND) :])
