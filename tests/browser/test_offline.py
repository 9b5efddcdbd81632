"""The site without a connection: what was opened before is there, and nothing else."""

import json
import re
import shutil

import pytest
import site_offline
from websites import listen, served

INDEX = "index.html"
KEPT = """async () => {
    const found = {};
    for (const name of await caches.keys())
        found[name] = (await (await caches.open(name)).keys()).map(({ url }) => url);
    return found;
}"""


def wait_until_kept(page, *names: str) -> None:
    """Until addresses that end like this are kept."""
    script = f"""async (names) => {{
        const found = Object.values(await ({KEPT})()).flat();
        return names.every((name) => found.some((url) => url.endsWith(name)));
    }}"""
    page.wait_for_function(script, arg=list(names))


@pytest.fixture
def below(site, tmp_path):
    """A copy of the site in a folder of a server, as on GitHub's pages; and what is
    needed to stop it.
    """
    shutil.copytree(site.folder, tmp_path / "server" / "course")
    with served(tmp_path / "server") as server:
        yield server.url + "course/"


@pytest.fixture
def visitor(browser):
    context = browser.new_context()
    context.set_default_timeout(60_000)  # a busy machine computes slowly
    page = context.new_page()
    yield page
    context.close()


def test_what_was_visited_is_there_without_a_connection(below, visitor):
    page, heard = visitor, listen(visitor)
    page.goto(below)
    network = page.locator("#network [data-value]")  # its answer, at rest
    has_network = page.locator("#network").get_by_text("built without").count() == 0
    if has_network:
        network.wait_for()
        wait_until_kept(
            page, "network/network.onnx.gz", "ort.wasm.gz", "ort.js", "worker.js"
        )
    page.goto(below + "notebooks/04_auxiliary_classifiers.html")
    page.locator(".explorer input").first.wait_for()
    wait_until_kept(page, "explorers/heads.js", "explorers.js", "furo.css", INDEX)
    assert heard.errors == []
    page.context.set_offline(True)

    page.goto(below)
    if has_network:
        network.wait_for()
        page.get_by_role("button", name="Straight crack").click()
        page.locator("#network .line", has_text="with a crack").wait_for()
    bottleneck = page.locator('.explorer[data-kind="bottleneck"]')
    bottleneck.get_by_role("slider", name="bottleneck width").press("ArrowRight")
    page.goto(below + "notebooks/04_auxiliary_classifiers.html")
    page.get_by_role("slider", name="head 1").press("ArrowRight")
    shown = page.locator(".cell_output img").first
    assert shown.evaluate("image => image.naturalWidth") > 0

    page.goto(below + "notebooks/07_training.html")
    assert page.get_by_role("heading").inner_text() == "No connection"
    assert "You have not opened this page before" in page.locator("p").inner_text()
    page.get_by_role("link", name="notebooks/04_auxiliary_classifiers").click()
    page.locator("h1", has_text="04").wait_for()
    page.context.set_offline(False)
    page.goto(below + "notebooks/07_training.html")
    page.locator("h1", has_text="07").wait_for()


def test_a_new_version_takes_the_old_ones_place(below, site, tmp_path, visitor):
    page, folder = visitor, tmp_path / "server" / "course"
    page.goto(below + "glossary.html")
    wait_until_kept(page, "glossary.html")
    before = set(page.evaluate("caches.keys()"))
    others = "someone else's"
    page.evaluate("name => caches.open(name)", others)
    path = folder / "glossary.html"
    html = path.read_text(encoding="utf-8")
    path.write_text(html.replace("</h1>", ", anew</h1>", 1), encoding="utf-8")
    site_offline.write(folder)
    page.reload()
    page.locator("h1", has_text="anew").wait_for()
    page.wait_for_function(
        "async (old) => !(await caches.keys()).some((name) => old.includes(name))",
        arg=[name for name in before if " pages " in name],
    )
    wait_until_kept(page, "glossary.html")
    after = set(page.evaluate("caches.keys()"))
    assert others in after
    # The network is as it was, and so is what is kept of it.
    assert {n for n in before if " network " in n} <= after


def test_versions_change_with_what_is_in_the_files(site, tmp_path):
    folder = tmp_path / "site"
    (folder / "network").mkdir(parents=True)
    (folder / "index.html").write_text("one")
    (folder / "network/network.onnx").write_text("two")

    def versions() -> dict[str, str]:
        site_offline.write(folder)
        line = (folder / "sw.js").read_text(encoding="utf-8").splitlines()[0]
        return json.loads(re.findall(r"VERSION = (.*);", line)[0])

    first = versions()
    assert versions() == first  # the worker itself doesn't count
    (folder / "index.html").write_text("another")
    second = versions()
    assert second["network"] == first["network"] and second["pages"] != first["pages"]
    (folder / "network/network.onnx").write_text("another")
    assert versions()["network"] != first["network"]


def test_it_keeps_what_the_network_needs(site):
    text = (site.folder / "sw.js").read_text(encoding="utf-8")
    needed = json.loads(re.findall(r"WITH_NETWORK = (.*);", text)[0])
    assert all((site.folder / path).is_file() for path in needed)
    assert "network/about.json" in needed
