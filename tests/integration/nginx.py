"""A real nginx with the settings of deploy/nginx/trimind.conf, from Debian's package."""

import datetime
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.embedded.ports import free_port
from tests.conftest import wait_until
from tests.integration.debian import unpacked

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "deploy/nginx/trimind.conf"
NAME = "trimind.example.com"


@contextmanager
def running(*web: str, flower: str = "127.0.0.1:9") -> Iterator[tuple[str, Path]]:
    """The HTTPS address of an nginx in front of these web servers and Flower, and its log."""
    folder = Path(tempfile.mkdtemp(prefix="trimind-nginx-", dir="/tmp"))
    folder.chmod(0o755)  # as root, its workers are another user's
    port = free_port()
    _certify(folder)
    (folder / "nginx.conf").write_text(_main(folder, _ours(folder, port, web, flower)))
    command = [str(_binary()), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    process = subprocess.Popen(command)
    address = f"https://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(address), 10)
        yield address, folder / "log"
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)


def _binary() -> Path:
    return unpacked("nginx", ("nginx",)) / "usr/sbin/nginx"


def _main(folder: Path, ours: str) -> str:
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "\n".join(f"{name}_temp_path {folder}/{name};" for name in temporary)
    return (
        f"daemon off;\npid {folder}/pid;\nerror_log {folder}/log info;\n"
        f"events {{ worker_connections 512; }}\n"
        f"http {{\naccess_log off;\n{paths}\n{ours}\n}}\n"
    )


def _ours(folder: Path, port: int, web: tuple[str, ...], flower: str) -> str:
    """Our settings, with this test's addresses and certificate."""
    servers = "\n".join(f"    server {each};" for each in web)
    changes = {
        "    server 127.0.0.1:8000;": servers,
        "server 127.0.0.1:5555;": f"server {flower};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
    }
    text = SETTINGS.read_text()
    for ours, theirs in changes.items():
        assert ours in text
        text = text.replace(ours, theirs)
    text, replaced = re.subn(r"/etc/ssl/trimind/", f"{folder}/", text)
    assert replaced == 2
    return text


def _certify(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def client(address: str, **headers: str) -> httpx.Client:
    """A client of it that takes its certificate."""
    return httpx.Client(
        base_url=address, headers=headers, verify=False, timeout=30, trust_env=False
    )


def _answers(address: str) -> bool:
    try:
        with client(address) as asking:
            asking.get("/metrics")  # which no web process is asked for
    except httpx.TransportError:
        return False
    return True
