"""What a call can end in other than its answer."""


class TrimindClientError(Exception):
    """The base of the client's errors; the message is for people."""


class Unreachable(TrimindClientError):
    """Nobody answers at the address."""


class ApiError(TrimindClientError):
    """The API refused: its status, its stable code, and its sentence."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(status, code, detail)
        self.status = status
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.detail} ({self.status} {self.code})"
