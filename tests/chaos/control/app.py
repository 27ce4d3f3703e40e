"""The control arm: a plain Celery chain without any of Trimind's safeguards.

Four tasks with late acknowledgement, and the broker as the only memory. The last task appends its
job's mark to a file, in which the test counts missing and duplicate marks.
"""

import os
import time

from celery import Celery

app = Celery("control", broker=os.environ["REDIS_URL"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    task_serializer="json",
    broker_transport_options={
        "visibility_timeout": int(os.environ["VISIBILITY_S"]),
        # Each second; a throttle above 1 looks only every so often.
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    },
    broker_connection_retry_on_startup=True,
)


@app.task
def intent(mark: str) -> str:
    return mark


@app.task
def compress(mark: str) -> str:
    return mark


@app.task
def generate(mark: str) -> str:
    time.sleep(float(os.environ["CALL_S"]))
    return mark


@app.task
def persist(mark: str) -> None:
    with open(os.environ["DONE_FILE"], "a") as done:
        done.write(f"{mark}\n")
