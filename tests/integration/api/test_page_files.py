"""The HTML of the pages, and the files that they load."""

import gzip
import re

import pytest

PAGES = ("/", "/c/conv_01K8Z5M5V4Q2W9X7Y3T1N6P0RC", "/board")
KB_AT_MOST = 100


def files_of(html: str) -> list[str]:
    """What a page loads before it runs."""
    return re.findall(r'(?:href|src)="(/assets/[^"]+)"', html)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_nothing_inline_and_loads_nothing_from_elsewhere(client, path):
    page = client.get(path)
    policy = page.headers["Content-Security-Policy"]

    assert page.status_code == 200
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script(?![^>]* src=)|<style|style=|\son\w+=|https?:", page.text) == []
    assert len(files_of(page.text)) > 5


@pytest.mark.parametrize("path", PAGES)
def test_all_that_a_page_needs_is_loaded_at_once_compressed_and_kept(client, path):
    size = 0
    for file in files_of(client.get(path).text):
        plain = client.get(file)
        packed = client.get(file, headers={"Accept-Encoding": "gzip"})
        assert plain.status_code == packed.status_code == 200
        assert plain.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.data) == plain.data
        size += len(packed.data)
        for name in re.findall(r'\b(?:from|import)\s*"\.{1,2}/([^"]+)"', plain.text):
            assert f"/{name.rsplit('/', 1)[-1]}" in client.get(path).text
    assert size < KB_AT_MOST * 1000


def test_a_page_that_has_not_changed_is_not_sent_again(client):
    page = client.get("/")

    assert page.headers["Cache-Control"] == "no-cache"
    again = client.get("/", headers={"If-None-Match": page.headers["ETag"]})
    assert again.status_code == 304


def test_files_of_another_version_are_unknown(client):
    file = files_of(client.get("/").text)[-1]

    assert client.get(re.sub(r"/assets/\w+/", "/assets/0123456789abcdef/", file)).status_code == 404
    assert client.get(f"{file}.map").status_code == 404
    assert client.get(re.sub(r"[^/]+$", "../page.html", file)).status_code == 404
