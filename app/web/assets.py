"""The page's files: read, hashed and compressed once per process, at the first request."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.once import once

STATIC: Final = Path(__file__).parent / "static"
HASH_CHARS: Final = 16
TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# Replaced in the HTML by the folder of the files, which is named after their contents.
PLACEHOLDER: Final = "{assets}"


@dataclass(frozen=True)
class Asset:
    """A file, and the same compressed by gzip."""

    content: bytes
    compressed: bytes
    mimetype: str


@dataclass(frozen=True)
class Assets:
    """All files by their path. `version` changes if any of them does, so that each may be cached
    for ever, and can import the others by relative paths."""

    files: Mapping[str, Asset]
    version: str

    @property
    def folder(self) -> str:
        """The URL of the folder that holds the files."""
        return f"/assets/{self.version}"

    def html(self, name: str) -> str:
        """An HTML file that refers to the files."""
        return (STATIC / name).read_text("utf-8").replace(PLACEHOLDER, self.folder)


@once
def get_assets() -> Assets:
    """The files of this process."""
    paths = sorted(path for path in STATIC.rglob("*") if path.suffix in TYPES)
    files = {path.relative_to(STATIC).as_posix(): _read(path) for path in paths}
    digest = hashlib.sha256()
    for name, asset in files.items():
        digest.update(f"{name} {len(asset.content)}\n".encode() + asset.content)
    return Assets(files, digest.hexdigest()[:HASH_CHARS])


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, gzip.compress(content, mtime=0), TYPES[path.suffix])
