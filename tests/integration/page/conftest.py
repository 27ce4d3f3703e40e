"""The page in a real browser, on a server and a worker of its own, with a scripted provider."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Page
from redis import Redis

from config.settings import get_settings
from deploy.embedded.ports import free_port
from models.api_keys import create_key
from models.session import unit_of_work
from models.users import get_or_create_user

from ...chaos.workers import command
from ...conftest import wait_until
from ...forks import ForkServer
from ..api.web_server import WebServer, end
from .chat import Chat
from .provider import ScriptedProvider, serving

READY_WITHIN_S = 60
# One worker for both queues. Without weights, compressing takes no time.
WORKER = [*command("page"), "--queues", "llm,cpu"]

Quietly = Callable[[Mapping[str, str]], AbstractContextManager[Mapping[str, str]]]
Until = Callable[..., None]


class Site:
    """The web process and a worker. A stopped web process comes back at the same address."""

    def __init__(
        self,
        web_forks: ForkServer,
        worker_forks: ForkServer,
        environ: Mapping[str, str],
        folder: Path,
    ) -> None:
        self._web_forks, self.environ, self._folder = web_forks, environ, folder
        self._bind = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self._bind}"
        self.start_web()
        self.worker = worker_forks.fork(WORKER, environ, folder / "worker.log")
        wait_until(lambda: b"ready." in (folder / "worker.log").read_bytes(), READY_WITHIN_S)

    def start_web(self) -> None:
        """Start the web process, and wait until it answers."""
        self.web = WebServer(self._web_forks, self.environ, {"BIND": self._bind}, self._folder)
        self.web.wait_until_up()

    def kill_web(self) -> None:
        """Kill the web process."""
        self.web.process.send_signal(signal.SIGKILL)
        self.web.process.wait()

    def redis(self) -> Redis:
        """A client of the site's Redis."""
        return Redis.from_url(self.environ["REDIS_URL"])

    def end(self) -> None:
        """Stop both."""
        end([self.web.process])
        self.worker.terminate()
        self.worker.wait(READY_WITHIN_S)


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def site_variables() -> Mapping[str, str]:
    """What else the processes of the site have in their environment; for a module to override."""
    return {}


@pytest.fixture(scope="module")
def site(
    backends: Mapping[str, str],
    quietly: Quietly,
    web_forks: ForkServer,
    worker_forks: ForkServer,
    provider: ScriptedProvider,
    site_variables: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    with quietly(backends) as quiet:
        environ = {
            **quiet,
            "OPENAI_API_KEY": "scripted",
            "OPENAI_API_BASE": provider.url,
            "WORKER_THREADS": "8",
            **site_variables,
        }
        running = Site(web_forks, worker_forks, environ, tmp_path_factory.mktemp("site"))
        yield running
        running.end()


@pytest.fixture
def key(site: Site, external_id: str) -> str:
    """An API key of this test's user."""
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        return create_key(session, user_id, "test", get_settings().pepper)


@pytest.fixture
def chat(page: Page, site: Site, key: str) -> Iterator[Chat]:
    """The page, signed in. Nothing may have gone wrong in its scripts."""
    opened = Chat(page, site.url).sign_in(key)
    yield opened
    assert opened.errors == []
