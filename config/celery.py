"""Celery's settings, loaded by `tasks/celery.py`. Reasons: docs/architecture.md, "The broker"."""

from typing import Any

from config.celery_broker import celery_url, tls_options
from config.message_json import SERIALIZER, register_serializer
from config.queues import broker_queue, declared_queues
from config.sentinel_url import is_sentinel_url, read_sentinel_url
from config.settings import settings_or_exit

register_serializer()
settings = settings_or_exit()

broker_url = celery_url(settings.broker)
# Celery itself reads them from the URL; Flower only here.
broker_use_ssl = tls_options(settings.broker) or False
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# How many threads publish at once: a worker does so while it answers a control command, so two at
# least. Their connections are counted below.
broker_pool_limit = max(2, settings.redis_pool // 2)
# A submit must not wait for an unavailable broker: PostgreSQL has the job already.
task_publish_retry = False

# Imported by both workers. The other stages import LiteLLM (5 s, 170 MB), which the cpu worker
# doesn't need: the Procfile includes them in the llm worker only.
imports = ("tasks.worker.bootstrap", "tasks.stages.compress")
task_default_queue = broker_queue("llm", 0, settings.broker)
task_queues = declared_queues(settings.broker)
task_serializer = event_serializer = SERIALIZER
accept_content = ["json"]
task_ignore_result = True
task_acks_late = True
task_reject_on_worker_lost = True
# Flower knows a task from the moment that a worker receives it.
task_send_sent_event = False
worker_send_task_events = True
worker_consumer = "tasks.worker.consumer:Consumer"
worker_prefetch_multiplier = 1
# After a lost connection Celery would prefetch less for a while, and set that from a thread of the
# pool. That thread takes RabbitMQ's replies from the main one, and the worker hears nothing more.
worker_enable_prefetch_count_reduction = False
# For the cpu worker: the Procfile maps SIGTERM to SIGQUIT for it. A PaaS kills after 30 s.
worker_soft_shutdown_timeout = 20
worker_hijack_root_logger = False
worker_redirect_stdouts = False
enable_utc = True

# A publish must not be retried either: kombu would, every 2 s for 6 s. A worker's own connection is
# retried forever (`broker_connection_max_retries`).
broker_transport_options: dict[str, Any] = {"max_retries": 0}
if settings.broker.startswith("redis"):
    broker_transport_options |= {
        # Made when needed; the other half is for config/redis.py. Two at least: the main thread
        # need not wait for a thread that publishes.
        "max_connections": max(2, settings.redis_pool // 2),
        "socket_timeout": 10,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 10,
    }
    if is_sentinel_url(settings.broker):  # for Flower, which requires it
        broker_transport_options |= {"master_name": read_sentinel_url(settings.broker).name}
