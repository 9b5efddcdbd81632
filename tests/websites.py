"""The website in a browser: served, listened to, looked at by axe-core."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

PHONE = {"width": 375, "height": 667}
DESKTOP = {"width": 1280, "height": 720}
LOOKS = (Path(__file__).parent / "browser" / "looks.js").read_text(encoding="utf-8")


class Site(NamedTuple):
    folder: Path
    url: str
    pages: list[str]  # addresses below url


class Heard(NamedTuple):
    errors: list[str]  # on the console, exceptions, and requests without an answer
    requests: list[str]

    def outside(self, site: Site) -> list[str]:
        """What was asked of others than the site: of another server."""
        ours = (site.url, site.folder.as_uri(), "data:", "blob:")
        return [url for url in self.requests if not url.startswith(ours)]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *_) -> None:
        """A page that is left stops reading: no fault."""


@contextmanager
def served(folder: Path, kind: type[Quiet] = Quiet) -> Iterator[Site]:
    """The site in ``folder``, on a server of its own, of this kind."""
    pages = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.html"))
    handler = functools.partial(kind, directory=str(folder))
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(folder, f"http://127.0.0.1:{server.server_port}/", pages)
        server.shutdown()


def listen(page) -> Heard:
    """What goes wrong or out on this page from now on."""
    heard = Heard([], [])

    def failed(request) -> None:
        # An icon that is still on its way when the page is left isn't a fault.
        if request.failure != "net::ERR_ABORTED":
            heard.errors.append(request.url)

    def said(line) -> None:
        if line.type in ("error", "warning"):
            heard.errors.append(line.text)

    page.on("pageerror", lambda error: heard.errors.append(str(error)))
    page.on("requestfailed", failed)
    page.on("request", lambda request: heard.requests.append(request.url))
    page.on("console", said)
    return heard


def faults(page) -> list[str]:
    return violations(page, "document", rules={"color-contrast": {"enabled": False}})


def low_contrasts(page) -> list[str]:
    return violations(page, f"({LOOKS})()", runOnly=["color-contrast"])


def violations(page, where: str, **options) -> list[str]:
    """What is serious or critical, each with an example."""
    options |= {"resultTypes": ["violations"], "preload": False}
    run = f"options => axe.run({where}, options).then((found) => found.violations)"
    return [
        f"{v['id']} ({len(v['nodes'])}): {v['nodes'][0]['html'][:200]}"
        for v in page.evaluate(run, options)
        if v["impact"] in ("serious", "critical")
    ]


def tab_to(page, target) -> None:
    """Press Tab until ``target`` has the focus."""
    for _ in range(100):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"100 times Tab, and still not at {target}")
