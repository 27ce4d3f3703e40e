"""What the site has beside the files in docs/: pages of the repository's root, and references that
are generated from the code. Links to files that are no page become their names."""

import os
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[1]
# Pages by their address in the site.
OUTSIDE: Final = {
    "readme.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "security-policy.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
    "benchmarks.md": "bench/README.md",
}
LINK: Final = re.compile(r"\[([^\]]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
# No server is asked: what is generated needs the settings to be valid, and nothing else.
UNUSED: Final = {
    "DATABASE_URL": "postgresql://unused@127.0.0.1:9/unused",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SHARED_SECRET": "unused" * 6,
    "EMBEDDED_MODEL_URL": "http://127.0.0.1:9",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    os.environ.update(UNUSED)
    from app.apidoc.reference import api_reference
    from app.factory import create_app
    from config.reference import settings_reference

    configuration = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    pages = {page: (ROOT / name).read_text("utf-8") for page, name in OUTSIDE.items()}
    document = create_app().test_client().get("/openapi.json").get_json()
    pages["api-reference.md"] = api_reference(document)
    pages["settings.md"] = settings_reference(configuration)
    for page, text in pages.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(text: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make the links of a page those of the site."""
    source = OUTSIDE.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    folder = (ROOT / source).parent

    def link(found: re.Match[str]) -> str:
        words, path, anchor = found.group(1), found.group(2), found.group(3) or ""
        target = os.path.relpath((folder / path).resolve(), ROOT)
        address = _address(target)
        if files.get_file_from_path(address):
            base = os.path.dirname(page.file.src_uri)
            return f"[{words}]({os.path.relpath(address, base or '.')}{anchor})"
        return words if (ROOT / target).exists() else found[0]

    return LINK.sub(link, text)


def _address(target: str) -> str:
    """Where a file of the repository is in the site."""
    for page, name in OUTSIDE.items():
        if name == target:
            return page
    return target.removeprefix("docs/")
