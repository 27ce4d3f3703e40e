"""The Celery application: what `celery --app tasks.celery` finds. Importing it imports no stage."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from config import broker_transport
from config.logging import configure_logging
from config.misspelled import warn_of_misspelled
from config.settings import get_settings

broker_transport.use_for_redis()
app = Celery("trimind")
app.config_from_object("config.celery")


@setup_logging.connect
def _log_as_trimind(**_: Any) -> None:
    settings = get_settings()
    configure_logging(settings.log_level, settings.log_format)
    warn_of_misspelled(os.environ)
