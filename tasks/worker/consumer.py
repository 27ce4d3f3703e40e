"""Celery's consumer, without what this project does not use."""

from typing import ClassVar

from celery.worker.consumer import Consumer as CeleryConsumer


class Consumer(CeleryConsumer):  # type: ignore[misc]  # Celery ships no types
    """With quorum queues, Celery would declare 28 more of them for delayed messages. Here none is
    delayed: a job waits in the database."""

    class Blueprint(CeleryConsumer.Blueprint):  # type: ignore[misc]  # the same
        """The steps of its start."""

        default_steps: ClassVar = [
            step
            for step in CeleryConsumer.Blueprint.default_steps
            if not step.endswith(":DelayedDelivery")
        ]
