"""Ends this process when the one that started it dies, however that one dies (Linux only)."""

import ctypes
import os
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_INIT: Final = 1


def end_with_parent() -> None:
    """Have the kernel send us SIGTERM when our parent is dead; end now if it is already.

    For `make run`: a `make` that is killed passes no signal on.
    """
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent or _adopted(parent):
        raise SystemExit("The process that started this one is gone.")


def _adopted(parent: int) -> bool:
    # In a container `make` itself may be process 1; then we are in its process group.
    return parent == _INIT and os.getpgid(_INIT) != os.getpgrp()
