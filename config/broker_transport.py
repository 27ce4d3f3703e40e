"""Celery's Redis transport, made to survive a Redis that answers but can't serve.

kombu treats an error that Redis *answers* (READONLY after a failover, MASTERDOWN, CLUSTERDOWN, OOM)
as a bug, and Celery stops the worker. Here each counts as a lost connection: the worker
reconnects, with pauses. An unreadable entry is set aside instead of stopping the worker.
"""

import time
from base64 import b64decode
from functools import cached_property
from queue import Empty
from typing import Any, Final

import structlog
from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.transport import redis as kombu_redis
from kombu.utils.encoding import bytes_to_str
from redis import BlockingConnectionPool, ConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import DataError, InvalidResponse, RedisError, ResponseError
from redis.retry import Retry

from config.message_json import decode, encode
from config.outages import outages
from config.process import process_name
from config.settings import get_settings
from config.unreadable_messages import check_message, set_aside

# Never exists: deleting it changes nothing, and fails on a Redis that accepts no writes.
PROBE_KEY: Final = "trimind:writable"
WATCHER: Final = "transport"
# A connection is used for one command at a time; a command fails after `socket_timeout` (10 s).
WAIT_FOR_CONNECTION_S: Final = 20

# Bindings last an hour at least.
REFRESH_BINDINGS_EVERY_S: Final = 20

# A message that came so soon after it was asked for was waiting, and others may be.
BACKLOG_S: Final = 0.005
# So many of them are taken at once. More would keep them from another worker.
MORE: Final = 4

# Connections for publishing and acknowledging, by broker. A thread that finds none free waits.
_command_pools: Final[dict[str, ConnectionPool]] = {}

log = structlog.get_logger(__name__)


class QoS(virtual.QoS):
    """The messages that this process has not acknowledged, in its memory alone.

    kombu would also keep each in Redis, in two transactions per message, so that another worker
    takes over what a dead one had once a time-out has passed that no task may exceed. Here the
    reconciler does, after a queue lease.
    """

    def restore_unacked(self) -> list[Any]:
        """Put the messages back to where they were taken from, the oldest to be the next, as far as
        Redis accepts them."""
        self._flush()
        try:
            with self.channel.conn_or_acquire() as client:
                while self._delivered:
                    _, message = self._delivered.popitem()
                    self.channel.put_back(message, client)
        except RedisError as error:
            self._delivered.clear()
            outages.note("broker", error)
        return []

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Drop a message, or requeue it. Raises RedisError; the message counts as done anyway,
        since a worker takes no more messages than it has threads."""
        try:
            super().reject(delivery_tag, requeue)
        except RedisError:
            self.ack(delivery_tag)
            raise


class Channel(kombu_redis.Channel):
    """A channel that checks each entry before kombu parses it."""

    ack_emulation = False  # kombu's name for keeping unacknowledged messages in Redis
    # kombu fears a retry, which would send a batch twice: `_connparams` lets redis-py make none.
    supports_batch_publish = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.QoS = QoS  # type: ignore[assignment]  # as kombu itself sets virtual.QoS
        del self.client  # created again when there is something to consume

    def put_back(self, message: Any, client: Any) -> None:
        """Make this message the next one of its queue. Raises RedisError."""
        info = message.delivery_info
        self._do_restore_message(message._raw, info["exchange"], info["routing_key"], client)

    def key_of(self, queue: str, lane: int) -> str:
        """The list of the messages of a lane of a queue."""
        return str(self._q_for_pri(queue, lane))

    def _get_pool(self, asynchronous: bool = False) -> Any:
        # A consumer blocks on connections of its own. For commands, kombu would give each channel
        # a pool, and a worker has five channels.
        if asynchronous:
            made = self._open_pool(ConnectionPool, self._connparams(asynchronous=True))
            self.keyprefix_fanout = self.keyprefix_fanout.format(db=made.connection_kwargs["db"])
            return made
        broker = self.connection.client.as_uri(include_password=True)
        if broker not in _command_pools:
            options = {"timeout": WAIT_FOR_CONNECTION_S, **self._connparams()}
            made = self._open_pool(BlockingConnectionPool, options)
            _command_pools.setdefault(broker, made)
        pool = _command_pools[broker]
        self.keyprefix_fanout = self.keyprefix_fanout.format(db=pool.connection_kwargs["db"])
        return pool

    def _open_pool(self, kind: type[ConnectionPool], options: dict[str, Any]) -> ConnectionPool:
        return kind(**options)

    def _disconnect_pools(self) -> None:
        self._pool = None  # the process's
        super()._disconnect_pools()

    def _create_client(self, asynchronous: bool = False) -> Any:
        # kombu first checks whether Redis answers, on the connection that a consumer blocks on: a
        # channel that only publishes needs none, and small plans limit connections.
        if asynchronous and self._registered:
            return self._checking(super()._create_client(asynchronous=True))
        return self._commands

    @cached_property
    def _commands(self) -> Any:
        # kombu creates a client for each command, which takes a seventh of a worker's CPU.
        return self._checking(super()._create_client())

    def _checking(self, client: Any) -> Any:
        client.set_response_callback("BRPOP", self._readable_pair)
        client.set_response_callback("RPOP", self._readable)
        return client

    def _connparams(self, asynchronous: bool = False) -> Any:
        # redis-py would retry ten times, sleeping in the thread that everything waits for.
        ours = {"client_name": process_name(), "retry": Retry(NoBackoff(), 0)}
        return super()._connparams(asynchronous) | ours

    def _deliver_fanout_message(self, message: Any, exchange: str) -> bool:
        """Deliver a broadcast message (a ping, an inspection, a worker's events) if it is
        readable."""
        try:
            check_message(message)
            body = message["body"]
            if message["properties"].get("body_encoding") == "base64":
                body = b64decode(body)
            # An object, or a list of a worker's events.
            decoded = decode(body)
            if message["content-type"] != "application/json" or not isinstance(
                decoded, dict | list
            ):
                raise TypeError("neither an object nor a list")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.error("unreadable broadcast message skipped", error=repr(error))
            return False
        return bool(super()._deliver_fanout_message(message, exchange))

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        # The rest of what a producer says, such as `mandatory`, means nothing to Redis.
        batch = kwargs.get("_publish_batch")
        if self._expires:
            super()._put(queue, message, **kwargs)
            return
        key = self._q_for_pri(queue, self._get_message_priority(message))
        if batch is not None:
            batch.add("lpush", key, encode(message))
            return
        with self.conn_or_acquire() as client:
            client.lpush(key, encode(message))

    def _brpop_read(self, **options: Any) -> bool:
        # kombu would parse the entry, which has been read to check it, once more.
        asked: Any = self._brpop_sent_at
        connection = self.client.connection
        try:
            found = self.client.parse_response(connection, "BRPOP", **options)
        except self.connection_errors:
            connection.disconnect()
            raise
        finally:
            self._in_poll = False
        if not found:
            raise Empty
        key, message = bytes_to_str(found[0]), found[1]
        queue = key.rsplit(self.sep, 1)[0]
        self._queue_cycle.rotate(queue)
        self.connection._deliver(message, queue)
        if time.monotonic() - asked < BACKLOG_S and not self._closing:
            self._read_more(key, queue)
        return True

    def _read_more(self, key: str, queue: str) -> None:
        """Take the next few messages of a queue at once. kombu takes one in each turn of its loop,
        and a turn costs as much as a message."""
        limit = self.qos.can_consume_max_estimate()  # None: without a limit
        with self._commands.pipeline(transaction=False) as pipe:
            for _ in range(MORE if limit is None else min(limit, MORE)):
                pipe.execute_command("RPOP", key, parsed=True)
            for message in pipe.execute():
                if message is not None:
                    self.connection._deliver(message, queue)

    def _readable_pair(self, reply: Any, **_: Any) -> Any:
        """Instead of the reply to BRPOP: the key and the decoded entry, if that is a message."""
        message = reply and self._decoded(reply[1])
        return message and (reply[0], message)

    def _readable(self, entry: Any, *, parsed: bool = False, **_: Any) -> Any:
        """Instead of the reply to RPOP: the entry, if it is a message."""
        if not isinstance(entry, bytes | str):
            return entry
        message = self._decoded(entry)
        return message if parsed or message is None else entry

    def _decoded(self, entry: bytes | str) -> Any:
        try:
            message = decode(entry)
            check_message(message)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            with self.conn_or_acquire() as client:
                set_aside(client, entry, error)
            return None
        return message


class Transport(kombu_redis.Transport):
    """Redis as a broker; any refusal counts as a lost connection."""

    Channel = Channel
    connection_errors = (
        *kombu_redis.Transport.connection_errors,
        ResponseError,
        DataError,
        InvalidResponse,
    )
    recoverable_connection_errors = connection_errors

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Have the loop watch the connection. Every second kombu would also look for bindings to
        refresh, which it does every 20 minutes at most."""
        super().register_with_event_loop(connection, loop)
        cycle: Any = self.cycle
        cycle._binding_expiry_tref.cancel()
        refresh = cycle.maybe_refresh_binding_expiry
        cycle._binding_expiry_tref = loop.call_repeatedly(REFRESH_BINDINGS_EVERY_S, refresh)

    def establish_connection(self) -> Any:
        """Connect, and check that Redis accepts writes.

        Raises:
            ResponseError: it does not; kombu reconnects after a pause, whereas a consumer would
                fail in a tight loop.
        """
        variable = "BROKER_URL" if get_settings().broker_url else "REDIS_URL"
        try:
            connection = super().establish_connection()
        except RedisError as error:
            outages.note("broker", error, watcher=WATCHER, variable=variable)
            raise
        try:
            with self._avail_channels[-1].conn_or_acquire() as client:
                client.delete(PROBE_KEY)
        except RedisError as error:
            self.close_connection(connection)
            outages.note("broker", error, watcher=WATCHER, variable=variable)
            raise
        outages.clear("broker", WATCHER)
        return connection


def use_for_redis() -> None:
    """Use this transport for every Redis that is a broker of this process."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
    TRANSPORT_ALIASES["sentinel"] = "config.sentinel_transport:SentinelTransport"
