"""Secrets that must be read again, encrypted as long as they are stored.

The key is derived from the pepper. While that is replaced, what the previous one has sealed can be
read, too. A sealed secret is: the key's id (4 bytes), a nonce (12), and AES-256-GCM's ciphertext,
which is bound to the row that it belongs to. It is longer than a secret that was stored before
there was a seal; such a secret is read as it is.
"""

import hashlib
import hmac
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from config.settings import get_settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

UNSEALED_BYTES: Final = 32
KEY_ID_BYTES: Final = 4
NONCE_BYTES: Final = 12


def seal(secret: bytes, row_id: str) -> bytes:
    """Encrypt a secret of a row by the current key."""
    pepper = get_settings().pepper
    nonce = secrets.token_bytes(NONCE_BYTES)
    return _key_id(pepper) + nonce + _cipher(pepper).encrypt(nonce, secret, row_id.encode())


def unseal(stored: bytes, row_id: str) -> bytes | None:
    """The secret of a row; None if none of the keys opens it."""
    if len(stored) == UNSEALED_BYTES:
        return stored
    from cryptography.exceptions import InvalidTag

    key_id, rest = stored[:KEY_ID_BYTES], stored[KEY_ID_BYTES:]
    nonce, sealed = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
    for pepper in get_settings().peppers:
        if hmac.compare_digest(_key_id(pepper), key_id):
            try:
                return _cipher(pepper).decrypt(nonce, sealed, row_id.encode())
            except InvalidTag:
                return None
    return None


def is_current(stored: bytes) -> bool:
    """Whether a secret is sealed by the current key."""
    return len(stored) != UNSEALED_BYTES and stored[:KEY_ID_BYTES] == _key_id(get_settings().pepper)


@lru_cache(maxsize=4)
def _cipher(pepper: bytes) -> "AESGCM":
    # Imported here, since it takes memory, and a process without webhooks needs none of it.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(_derived(pepper, b"trimind: secrets of webhooks"))


@lru_cache(maxsize=4)
def _key_id(pepper: bytes) -> bytes:
    return _derived(pepper, b"trimind: id of the key of webhooks")[:KEY_ID_BYTES]


def _derived(pepper: bytes, purpose: bytes) -> bytes:
    return hmac.digest(pepper, purpose, hashlib.sha256)
