"""Prefixed, sortable ids: `job_01J…` is a ULID (48 bits of milliseconds, 80 random bits)."""

import hashlib
import secrets
import threading
import time
from datetime import datetime
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
RANDOM_BITS: Final = 80

_PYTHONS_DIGITS: Final = str.maketrans(ALPHABET, "0123456789abcdefghijklmnopqrstuv")

_lock = threading.Lock()
_last = 0


def new_id(prefix: str) -> str:
    """A new id, greater than all earlier ones of this process (https://github.com/ulid/spec)."""
    global _last
    with _lock:
        now = (time.time_ns() // 1_000_000) << RANDOM_BITS
        _last = max(now | secrets.randbits(RANDOM_BITS), _last + 1)
        value = _last
    return f"{prefix}_{_encode(value)}"


def first_id_at(prefix: str, moment: datetime) -> str:
    """The id that is less than all that are made from this moment on."""
    return f"{prefix}_{_encode(int(moment.timestamp() * 1000) << RANDOM_BITS)}"


def age_of(made: str) -> float:
    """Seconds since an id of `new_id` was made, by this host's clock; 0 if that is behind."""
    milliseconds = int(made.rpartition("_")[2][:10].translate(_PYTHONS_DIGITS), 32)
    return max(0.0, time.time() - milliseconds / 1000)


def derived_id(prefix: str, *parts: str) -> str:
    """An id that is always the same for the same parts, so that no duplicate can be created.

    It is not sortable by time.
    """
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return f"{prefix}_{_encode(int.from_bytes(digest[:16]))}"


def _encode(value: int) -> str:
    return "".join(ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))
