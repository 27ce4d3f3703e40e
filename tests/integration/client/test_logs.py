"""What a provider says is in no log: neither its answers, nor questions that its errors repeat."""

import json
import secrets

from trimind import Client

from ...chaos.stack import Stack


def test_no_word_of_a_message_that_a_provider_repeats_is_in_a_log(stack: Stack) -> None:
    word, mark = f"kanarienvogel{secrets.token_hex(6)}", secrets.token_hex(8)
    stack.set_faults(weights={"error": 1}, faults_per_job=2)

    with Client(stack.web, stack.key) as client:
        job = client.submit(f"Say something about a {word}. [#{mark}]")
        ended = client.wait(job["id"])
    text = "\n".join(path.read_text() for path in stack.home.glob("*.log"))
    lines = [json.loads(line) for line in text.splitlines() if job["id"] in line]

    assert mark in str(ended["output"])
    assert {"stage waits", "stage finished", "job accepted"} <= {line["event"] for line in lines}
    assert word not in text
    assert mark not in text
