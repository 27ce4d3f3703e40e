"""The reference has every call, parameter and object of the OpenAPI document."""

from app.apidoc.reference import METHODS, api_reference


def test_every_call_and_object_is_there(client) -> None:
    document = client.get("/openapi.json").json
    page = api_reference(document)

    calls = [
        f"### `{method.upper()} {path}`"
        for path, methods in document["paths"].items()
        for method in METHODS
        if method in methods
    ]
    objects = [f"### {name}\n" for name in document["components"]["schemas"]]
    assert len(calls) > 40
    assert [heading for heading in calls if page.count(heading) != 1] == []
    assert [heading for heading in objects if page.count(heading) != 1] == []


def test_parameters_and_fields_are_rows(client) -> None:
    page = api_reference(client.get("/openapi.json").json)

    assert "| `Idempotency-Key` | header |" in page
    assert "| `message` | string |" in page
