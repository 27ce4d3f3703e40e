"""The launcher of a service: `python -I -S launch.py PARENT SIGNAL UID GID ARGV...`.

A script instead of a `preexec_fn`, since Python code between fork and exec can deadlock in a
process that has threads. It changes the user itself, since that user may be unable to read the
interpreter. It imports only the standard library and takes 20 ms.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
KEEP_USER = -1


def main(argv: list[str]) -> None:
    parent, death_signal, uid, gid = (int(word) for word in argv[:4])
    command = argv[4:]
    libc = ctypes.CDLL(None, use_errno=True)
    _default_signals()
    if uid != KEEP_USER:
        _become(uid, gid)
    # After changing the user, which clears the setting.
    libc.prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:  # the parent died before the line above
        os.kill(os.getpid(), death_signal)
    try:
        os.execvp(command[0], command)  # noqa: S606 -- a shell would intercept signals
    except OSError as error:
        sys.exit(f"cannot start {command[0]}: {error.strerror}")


def _default_signals() -> None:
    # Python ignores SIGPIPE, and a shell's background jobs ignore SIGINT: don't pass that on.
    for number in (
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGPIPE,
        signal.SIGXFSZ,
    ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


if __name__ == "__main__":
    main(sys.argv[1:])
