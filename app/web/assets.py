"""The pages' files: read, hashed and compressed once per process, at the first request."""

import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Final

from config.once import once

STATIC: Final = Path(__file__).parent / "static"
HASH_CHARS: Final = 16
TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# What a module needs before it can run; `import()` is for later.
IMPORT: Final = re.compile(rb"""\b(?:from|import)\s*"(\.{1,2}/[^"]+)""")


@dataclass(frozen=True)
class Asset:
    """A file, and the same compressed by gzip."""

    content: bytes
    compressed: bytes
    mimetype: str


@dataclass(frozen=True)
class Page:
    """A page: its title, the module that it runs, its style sheets."""

    title: str
    script: str
    styles: tuple[str, ...]


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

    def modules_of(self, script: str) -> list[str]:
        """The modules that a module imports, directly or not: browsers should fetch all at once,
        instead of one after the other as they find them."""
        found: list[str] = []
        self._find_modules(script, found)
        return found

    def _find_modules(self, script: str, found: list[str]) -> None:
        for name in self._imports_of(script):
            if name not in found:
                found.append(name)
                self._find_modules(name, found)

    def _imports_of(self, script: str) -> Iterator[str]:
        for path in IMPORT.findall(self.files[script].content):
            yield normpath(join(dirname(script), path.decode()))


@once
def html_of(page: Page) -> str:
    """A page's HTML. It refers to this process's version of the files."""
    assets = get_assets()
    links = [f'<link rel="stylesheet" href="{assets.folder}/{name}">' for name in page.styles]
    links += [
        f'<link rel="modulepreload" href="{assets.folder}/{name}">'
        for name in assets.modules_of(page.script)
    ]
    values = {
        "assets": assets.folder,
        "title": page.title,
        "script": page.script,
        "links": "\n  ".join(links),
    }
    text = (STATIC / "page.html").read_text("utf-8")
    return re.sub(r"{(\w+)}", lambda name: values[name[1]], text)


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
