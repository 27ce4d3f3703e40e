"""A process that calls under breakers. It reads orders from stdin, one JSON object per line:

    {"do": "call", "count": 20, "how": "ok" | "fail" | "hold" | …, "name": …, "policy": {…}}
    {"do": "release", "how": "ok" | "fail", "name": …}       ends the held call

It prints `{"ready": true}` first, and one line for each order: the number of calls made, the
`retry_after` of those that were not, and the seconds of the slowest.
"""

import json
import sys
import threading
import time
from queue import SimpleQueue
from typing import Any

import structlog

from models.errors import CircuitOpen, ProviderRejected, ProviderUnavailable, Superseded
from tasks.policies import BreakerPolicy
from tasks.resilience.breaker import circuit_breaker

ERRORS = {
    "fail": ProviderUnavailable("away"),
    "refuse": ProviderRejected("a wrong key"),
    "drop": Superseded("cancelled"),
}


class Caller:
    def __init__(self) -> None:
        self.held: dict[str, tuple[threading.Thread, SimpleQueue[str]]] = {}
        self.reports: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def call(self, count: int, how: str, name: str, policy: dict[str, Any]) -> dict[str, Any]:
        gate = threading.Barrier(count)
        for _ in range(count):
            thread = threading.Thread(
                target=self._once, args=(gate, how, name, BreakerPolicy(**policy)), daemon=True
            )
            thread.start()
        reports = [self.reports.get() for _ in range(count)]
        return {
            "made": sum(report["made"] for report in reports),
            "refused": [report["retry_after"] for report in reports if not report["made"]],
            "slowest_s": max(report["s"] for report in reports),
        }

    def release(self, how: str, name: str) -> dict[str, Any]:
        thread, orders = self.held.pop(name)
        orders.put(how)
        thread.join()
        return {"made": 1, "refused": [], "slowest_s": 0}

    def _once(self, gate: threading.Barrier, how: str, name: str, policy: BreakerPolicy) -> None:
        gate.wait()
        began = time.monotonic()
        try:
            with circuit_breaker(name, policy):
                if how == "hold":
                    how = self._hold(began, name)
                    began = -1
                if how != "ok":
                    raise ERRORS[how]
        except CircuitOpen as error:
            self._report(began, made=False, retry_after=error.retry_after)
            return
        except (ProviderRejected, ProviderUnavailable, Superseded):
            pass
        if began >= 0:
            self._report(began, made=True)

    def _hold(self, began: float, name: str) -> str:
        orders: SimpleQueue[str] = SimpleQueue()
        self.held[name] = (threading.current_thread(), orders)
        self._report(began, made=True)
        return orders.get()

    def _report(self, began: float, **what: Any) -> None:
        self.reports.put({"s": time.monotonic() - began, **what})


def answer(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    caller = Caller()
    answer({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        answer(getattr(caller, order.pop("do"))(**order))
