"""The end of this process when its parent dies, for whatever reason (Linux only)."""

import ctypes
import os
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_INIT: Final = 1


def end_with_parent() -> None:
    """Have the kernel send SIGTERM when the parent dies; exit now if it is already dead.

    For `make run`: a killed `make` forwards no signal.
    """
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent or _adopted(parent):
        raise SystemExit("The parent process is gone.")


def _adopted(parent: int) -> bool:
    # In a container `make` itself may be process 1; then this process is in its group.
    return parent == _INIT and os.getpgid(_INIT) != os.getpgrp()
