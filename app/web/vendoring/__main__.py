"""`python -m app.web.vendoring`: copy the page's libraries from npm to `static/vendor`.

The versions are those of package-lock.json. A browser finds modules by relative paths only, so that
imports of a package's name become the path of the copy.
"""

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
VENDOR: Final = HERE.parent / "static" / "vendor"
LANGUAGES: Final = (
    "bash", "c", "cpp", "csharp", "css", "diff", "dockerfile", "go", "ini", "java", "javascript",
    "json", "kotlin", "markdown", "php", "python", "ruby", "rust", "sql", "swift", "typescript",
    "xml", "yaml",
)  # fmt: skip
HIGHLIGHT: Final = "@highlightjs/cdn-assets"
# The copy's name, its package, its file.
MODULES: Final = (
    ("preact.js", "preact", "dist/preact.mjs"),
    ("preact-hooks.js", "preact", "hooks/dist/hooks.mjs"),
    ("htm.js", "htm", "dist/htm.module.js"),
    ("signals-core.js", "@preact/signals-core", "dist/signals-core.module.js"),
    ("signals.js", "@preact/signals", "dist/signals.module.js"),
    ("marked.js", "marked", "lib/marked.esm.js"),
    ("dompurify.js", "dompurify", "dist/purify.min.js"),
    ("eventsource-parser.js", "eventsource-parser", "dist/index.js"),
    ("highlight/core.js", HIGHLIGHT, "es/core.min.js"),
    *((f"highlight/{name}.js", HIGHLIGHT, f"es/languages/{name}.min.js") for name in LANGUAGES),
)
IMPORTS: Final = {
    "preact": "./preact.js",
    "preact/hooks": "./preact-hooks.js",
    "@preact/signals-core": "./signals-core.js",
}
# DOMPurify's small build is a script that sets a global.
AS_MODULE: Final = {"dompurify.js": "\nexport default globalThis.DOMPurify;\n"}


def main() -> None:
    """Replace `static/vendor` by fresh copies, their licences and a list of their versions."""
    with tempfile.TemporaryDirectory() as folder:
        packages = _install(Path(folder))
        shutil.rmtree(VENDOR, ignore_errors=True)
        for name, package, file in MODULES:
            target = VENDOR / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_module(name, (packages / package / file).read_text("utf-8")))
        _write_licences(packages)


def _install(folder: Path) -> Path:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "node_modules"


def _module(name: str, source: str) -> str:
    without_map = re.sub(r"\n?//# sourceMappingURL=\S+\s*", "", source)
    for package, path in IMPORTS.items():
        without_map = without_map.replace(f'from"{package}"', f'from"{path}"')
    return without_map.rstrip() + "\n" + AS_MODULE.get(name, "")


def _write_licences(packages: Path) -> None:
    parts = ["Versions and licences of the files in this folder. `make vendor` writes it.\n"]
    for package in dict.fromkeys(package for _, package, _ in MODULES):
        about = json.loads((packages / package / "package.json").read_text())
        licence = (packages / package / "LICENSE").read_text("utf-8").strip()
        title = f"{package} {about['version']} ({about['license']})"
        parts.append(f"\n{title}\n{'=' * len(title)}\n\n{licence}\n")
    (VENDOR / "LICENSES").write_text("".join(parts))


if __name__ == "__main__":
    main()
