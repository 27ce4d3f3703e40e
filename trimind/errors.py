"""The client's errors."""


class TrimindClientError(Exception):
    """The base class of the client's errors; the message is for people."""


class Unreachable(TrimindClientError):
    """Nothing answers at the address."""


class ApiError(TrimindClientError):
    """The API refused the call, with a status, a stable code and a detail."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(status, code, detail)
        self.status = status
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.detail} ({self.status} {self.code})"
