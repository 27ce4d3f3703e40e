"""The floor for `bench.jobs`: one Celery task that does the same with nothing around it.

Two calls of the provider by a plain client, and one INSERT. Nothing survives a crash of it.
"""

import json
import os
import threading

import httpx
import psycopg
from celery import Celery

QUEUE = "plain"
TASK = "bench.plain.answer"
TABLE = """CREATE TABLE IF NOT EXISTS plain (
    mark text, intent text, answer text, at timestamptz DEFAULT clock_timestamp()
)"""

app = Celery("plain", broker=os.environ.get("PLAIN_BROKER"))
app.conf.update(task_ignore_result=True, task_default_queue=QUEUE)
_provider = httpx.Client(
    base_url=os.environ.get("OPENAI_API_BASE", ""), headers={"Authorization": "Bearer bench"}
)
_kept = threading.local()


@app.task(name=TASK)
def answer(mark: str, message: str) -> None:
    """Classify a message, answer it, and store both."""
    intent = json.loads(_whole(f"What is the intent of this? {message}"))["intent"]
    text = _streamed(message)
    _database().execute(
        "INSERT INTO plain (mark, intent, answer) VALUES (%s, %s, %s)", (mark, intent, text)
    )


def _whole(prompt: str) -> str:
    response = _provider.post("/chat/completions", json=_request(prompt)).raise_for_status()
    return str(response.json()["choices"][0]["message"]["content"])


def _streamed(prompt: str) -> str:
    pieces = []
    body = _request(prompt) | {"stream": True}
    with _provider.stream("POST", "/chat/completions", json=body) as response:
        for line in response.raise_for_status().iter_lines():
            if line.startswith("data: {"):
                choice = json.loads(line.removeprefix("data: "))["choices"][0]
                pieces.append(choice["delta"].get("content", ""))
    return "".join(pieces)


def _request(prompt: str) -> dict[str, object]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]}


def _database() -> psycopg.Connection:
    """This thread's connection."""
    if not hasattr(_kept, "connection"):
        _kept.connection = psycopg.connect(os.environ["PLAIN_DATABASE"], autocommit=True)
    connection: psycopg.Connection = _kept.connection
    return connection
