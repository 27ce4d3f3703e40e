"""An issuer of JWTs: it signs tokens, and serves its public keys over HTTP."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.api_jws import PyJWS

PATH: Final = "/.well-known/jwks.json"
HELD_AT_MOST_S: Final = 60


@lru_cache(maxsize=8)
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key of this name, made once for all tests."""
    return rsa.generate_private_key(65537, bits)


@lru_cache(maxsize=8)
def ec_key(name: str, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    """A key of this name, made once for all tests."""
    return ec.generate_private_key(curve())


PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def published(key_id: str | None, key: PrivateKey, **more: object) -> dict[str, Any]:
    """The public part of a key, as a JWK."""
    public: Any = key.public_key()
    found: dict[str, Any] = (
        RSAAlgorithm.to_jwk(public, as_dict=True)
        if isinstance(key, rsa.RSAPrivateKey)
        else ECAlgorithm.to_jwk(public, as_dict=True)
    )
    found.pop("key_ops", None)
    return found | ({"kid": key_id} if key_id is not None else {}) | more


def pem_of(key: PrivateKey) -> bytes:
    """The public part of a key as text, which a confused verifier takes for a shared secret."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Issuer:
    """What it serves can be changed at any time; `fetches` counts the requests that it got.

    `body` replaces the JWK Set, `status` its status, `location` redirects; while `gate` is set, a
    request waits for it, and is dropped after that.
    """

    def __init__(self) -> None:
        self.url = ""
        self.keys = [published("one", rsa_key("one")), published("two", ec_key("two"), use="sig")]
        self.body: bytes | None = None
        self.status = 200
        self.location: str | None = None
        self.gate: threading.Event | None = None
        self.fetches = 0

    def claims(self, subject: str, **changed: object) -> dict[str, Any]:
        """Valid claims; a claim that is None is left out."""
        now = int(time.time())
        claims = {"iss": self.url, "sub": subject, "iat": now, "exp": now + 300} | changed
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, subject: str, **changed: object) -> str:
        """A token, signed with RS256."""
        return self.signed(self.claims(subject, **changed))

    def signed(
        self,
        claims: dict[str, Any],
        key: Any = None,
        algorithm: str = "RS256",
        key_id: str | None = "one",
    ) -> str:
        """A token with these claims."""
        headers = {"kid": key_id} if key_id is not None else {}
        return jwt.encode(claims, key or rsa_key("one"), algorithm, headers)

    def signed_text(self, payload: str) -> str:
        """A token that is signed with RS256, but whose payload is this text."""
        return PyJWS().encode(payload.encode(), rsa_key("one"), "RS256", {"kid": "one"})

    def served(self) -> bytes:
        """What a request gets."""
        return json.dumps({"keys": self.keys}).encode() if self.body is None else self.body


@contextmanager
def serving_issuer(port: int = 0) -> Iterator[Issuer]:
    """An issuer that serves until the end of the block."""
    issuer = Issuer()
    with serving(issuer, port):
        yield issuer


@contextmanager
def serving(issuer: Issuer, port: int = 0) -> Iterator[None]:
    """Let this issuer serve until the end of the block; after that, it is unreachable."""
    handler = type("Handler", (_Handler,), {"issuer": issuer})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        if issuer.gate is not None:
            issuer.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        issuer = self.issuer
        issuer.fetches += 1
        self.close_connection = True
        if issuer.gate is not None:
            issuer.gate.wait(HELD_AT_MOST_S)
            return
        body = issuer.served()
        self.send_response(issuer.status if self.path == PATH else 404)
        if issuer.location is not None:
            self.send_header("Location", issuer.location)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            self.wfile.write(body)
        except ConnectionError:
            return  # the client has read enough
