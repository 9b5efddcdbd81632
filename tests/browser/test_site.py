"""The website, built once and opened in a real Chromium: no kernel, no network."""

import functools
import json
import re
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from axe_playwright_python.sync_playwright import Axe

from inception_lib import GOOGLENET_WIDTHS
from inception_lib.analysis import costs

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PHONE = {"width": 375, "height": 667}
# What a page tells about itself; slides hide most of theirs, the DOM has it all.
TELL = """() => ({
    links: [...document.querySelectorAll("a[href]")].map((a) => a.href),
    ids: [...document.querySelectorAll("[id]")].map((e) => e.id),
    alts: [...document.images].map((image) => image.alt),
    broken: [...document.images].filter((i) => i.complete && !i.naturalWidth).length,
    headings: [...document.querySelectorAll("article :is(h1, h2, h3, h4, h5, h6)")]
        .map((heading) => Number(heading.tagName[1])),
    width: document.scrollingElement.scrollWidth,
    oops: [...document.querySelectorAll(".cell_output, .jp-OutputArea-output")]
        .filter((output) => /^\\s*(VBox|HBox)\\(/.test(output.textContent)).length,
})"""


class Site(NamedTuple):
    folder: Path
    url: str
    pages: list[str]  # addresses below url


class Visit(NamedTuple):
    errors: list[str]  # on the console, and exceptions
    requests: list[str]
    told: dict


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope="session")
def site(chromium, tmp_path_factory):
    folder = tmp_path_factory.mktemp("website")
    command = [sys.executable, str(ROOT / "tools" / "build_site.py"), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    folder = folder / "site"
    pages = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.html"))
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(folder, f"http://127.0.0.1:{server.server_port}/", pages)
        server.shutdown()


@pytest.fixture(scope="session")
def visits(site, browser) -> dict[str, Visit]:
    """Every page, opened once on a phone."""
    found = {}
    for name in site.pages:
        page = browser.new_page(viewport=PHONE)
        errors, requests = [], []
        page.on("pageerror", lambda error, to=errors: to.append(str(error)))
        page.on("requestfailed", lambda request, to=errors: to.append(request.url))
        page.on("request", lambda request, to=requests: to.append(request.url))
        page.on(
            "console",
            lambda line, to=errors: (
                to.append(line.text) if line.type in ("error", "warning") else None
            ),
        )
        page.goto(site.url + name)
        found[name] = Visit(errors, requests, page.evaluate(TELL))
        page.close()
    return found


@pytest.fixture
def page(browser):
    page = browser.new_page()
    page.set_default_timeout(10_000)
    yield page
    page.close()


def is_slides(name: str) -> bool:
    return name.startswith("slides/")


def number(place, name: str) -> int:
    """The number of this name, as the picture shows it now."""
    text = place.locator(f'[data-number="{name}"]').inner_text()
    return int(text.replace(",", ""))


def test_every_notebook_has_its_page_and_its_slides(site):
    for path in NOTEBOOKS:
        assert {f"notebooks/{path.stem}.html", f"slides/{path.stem}.html"} <= set(
            site.pages
        )
    for name in ("index", "api", "teachers", "glossary", "references", "search"):
        assert f"{name}.html" in site.pages


def test_nothing_is_wrong_on_any_page(visits):
    assert {name: v.errors for name, v in visits.items() if v.errors} == {}
    assert [name for name, v in visits.items() if v.told["broken"]] == []


def test_nothing_is_asked_of_another_server(visits, site):
    for name, visit in visits.items():
        outside = [
            u for u in visit.requests if not u.startswith((site.url, "data:", "blob:"))
        ]
        assert outside == [], name


def test_every_link_resolves(visits, site):
    ids = {name: set(visit.told["ids"]) for name, visit in visits.items()}
    bad, checked = [], 0
    for name, visit in visits.items():
        for link in visit.told["links"]:
            address, place = urldefrag(urljoin(site.url + name, link))
            if not address.startswith(site.url):
                continue
            checked += 1
            target = unquote(address.removeprefix(site.url)) or "index.html"
            if not (site.folder / target).is_file():
                bad.append((name, target))
            # reveal.js reads /1/2 as the number of a slide.
            elif place and target in ids and not place.startswith("/"):
                if unquote(place) not in ids[target]:
                    bad.append((name, f"{target}#{place}"))
    assert bad == []
    assert checked > 1000


def test_every_figure_is_described(visits):
    for name, visit in visits.items():
        assert all(len(alt) >= 15 for alt in visit.told["alts"]), name
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        outputs = [o for cell in cells for o in cell.get("outputs", [])]
        written = {
            o["metadata"]["image/png"]["alt"]
            for o in outputs
            if "image/png" in o.get("data", {})
        }
        for folder in ("notebooks", "slides"):
            shown = visits[f"{folder}/{path.stem}.html"].told["alts"]
            assert set(shown) == written, (folder, path.stem)


def test_headings_come_in_order(visits):
    for name, visit in visits.items():
        levels = visit.told["headings"]
        if is_slides(name) or not levels:
            continue
        assert levels[0] == 1 and levels.count(1) == 1, name
        steps = zip(levels, levels[1:], strict=False)
        assert all(after <= before + 1 for before, after in steps), (name, levels)


def test_nothing_scrolls_sideways_on_a_phone(visits):
    wide = {name: v.told["width"] for name, v in visits.items() if not is_slides(name)}
    assert {n: w for n, w in wide.items() if w > PHONE["width"]} == {}


def test_no_widget_is_left_as_text(visits):
    assert {n: v.told["oops"] for n, v in visits.items() if v.told.get("oops")} == {}


def violations(page, **options) -> list[str]:
    """What axe-core finds serious or critical, with an example."""
    options["resultTypes"] = ["violations"]
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{v['id']} ({len(v['nodes'])}): {v['nodes'][0]['html'][:200]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


# Of the library's source and of the slides, one is like the other.
ALIKE = [
    "_modules/inception_lib/analysis/costs.html",
    f"slides/{NOTEBOOKS[1].stem}.html",
]


def test_axe_finds_nothing_serious(site, page):
    names = [n for n in site.pages if not n.startswith(("_modules/", "slides/"))]
    found = {}
    for name in names + ALIKE:
        page.goto(site.url + name)
        found[name] = violations(page)
    assert {name: v for name, v in found.items() if v} == {}


def test_there_is_contrast_in_the_dark(site, page):
    names = ["index.html", "glossary.html", f"notebooks/{NOTEBOOKS[1].stem}.html"]
    page.emulate_media(color_scheme="dark")
    found = {}
    for name in names + ALIKE[:1]:
        page.goto(site.url + name)
        found[name] = violations(page, runOnly=["color-contrast"])
    assert {name: v for name, v in found.items() if v} == {}


def test_light_and_dark(site, browser):
    """By the system's setting, and by the button in the page."""
    brightness = "() => getComputedStyle(document.body).backgroundColor"
    page = browser.new_page(color_scheme="dark")
    page.goto(site.url)
    dark = page.evaluate(brightness)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(brightness)

    def value(colour):
        return max(map(int, re.findall(r"\d+", colour)[:3]))

    assert value(dark) < 60 and value(light) > 200
    toggle = page.locator(".theme-toggle:visible").first
    seen = set()
    for _ in range(3):
        toggle.click()
        seen.add(page.evaluate(brightness))
    assert seen == {dark, light}
    page.close()


def test_a_key_moves_the_slider_and_the_number(site, page):
    page.goto(site.url)
    place = page.locator('.explorer[data-kind="bottleneck"]')
    for width in (24, 25, 26):
        cost = costs.bottleneck(512, width, 64, 5, 14, bias=False)
        assert number(place, "through") == cost.parameters
        assert number(place, "throughMultiplyAdds") == cost.multiply_adds
        assert place.locator('[name="width"][type="number"]').input_value() == str(
            width
        )
        place.get_by_role("slider", name="bottleneck width").press("ArrowRight")


@pytest.mark.parametrize(
    "state",
    [
        (512, 64, 5, 387, 14),
        (512, 64, 5, 388, 14),
        (192, 128, 3, 96, 28),
        (1024, 1024, 11, 1024, 112),
        (1, 1, 1, 1, 1),
        (64, 64, 1, 56, 7),
    ],
)
def test_the_bottlenecks_numbers_are_the_librarys(site, page, state):
    page.goto(site.url)
    place = page.locator('.explorer[data-kind="bottleneck"]')
    names = ("input", "output", "kernel", "width", "map")
    for name, value in zip(names, state, strict=True):
        place.locator(f'[name="{name}"][type="number"]').fill(str(value))
    c_in, c_out, kernel, width, size = state
    direct = costs.convolution(c_in, c_out, kernel, size, bias=False)
    through = costs.bottleneck(c_in, width, c_out, kernel, size, bias=False)
    shown = {
        "direct": direct.parameters,
        "directMultiplyAdds": direct.multiply_adds,
        "through": through.parameters,
        "throughMultiplyAdds": through.multiply_adds,
        "breakEven": costs.break_even_width(c_in, c_out, kernel),
    }
    assert {name: number(place, name) for name in shown} == shown
    verdict = place.locator('[data-number="verdict"]').inner_text()
    assert ("costs more" in verdict) == (through.parameters > direct.parameters)


def test_a_number_out_of_range_leaves_the_picture(site, page):
    page.goto(site.url)
    place = page.locator('.explorer[data-kind="bottleneck"]')
    before = place.locator(".picture").inner_html()
    for value in ("0", "", "1025", "2.5"):
        place.locator('[name="width"][type="number"]').fill(value)
        assert place.locator(".picture").inner_html() == before


def test_the_modules_numbers_are_the_librarys(site, page):
    page.goto(site.url)
    place = page.locator('.explorer[data-kind="module"]')
    inputs = costs.module_inputs()
    for name, widths in GOOGLENET_WIDTHS.items():
        place.get_by_role("button", name=name).click()
        pressed = place.locator('button[aria-pressed="true"]').all_inner_texts()
        assert pressed == [name]
        check_module(place, inputs[name], widths)
    place.locator('[name="ch5x5red"][type="number"]').fill("96")
    assert place.locator('button[aria-pressed="true"]').count() == 0
    widths = type(widths)(**{**vars(widths), "ch5x5red": 96})
    check_module(place, inputs[name], widths)


def check_module(place, given, widths) -> None:
    channels, size = given
    parts = costs.inception(channels, widths, size)
    branches = {
        "1×1": parts["1x1"],
        "3×3": parts["3x3 reduce"] + parts["3x3"],
        "5×5": parts["5x5 reduce"] + parts["5x5"],
        "pool": parts["pool"],
        "all": sum(parts.values()),
    }
    for branch, cost in branches.items():
        assert number(place, f"parameters {branch}") == cost.parameters
        assert number(place, f"multiplyAdds {branch}") == cost.multiply_adds
    naive = sum(costs.naive_inception(channels, widths, size).values())
    plain = costs.convolution(channels, widths.out_channels, 3, size)
    text = place.inner_text()
    for cost in (naive, plain):
        assert f"{cost.multiply_adds / 1e6:,.1f} million" in text


def test_the_notebooks_sliders_live(site, page):
    page.goto(site.url + "notebooks/02_inception_module.html")
    place = page.locator('.explorer[data-kind="module"]')
    assert place.locator('button[aria-pressed="true"]').inner_text() == "3b"
    page.goto(site.url + "notebooks/03_global_average_pooling.html")
    place = page.locator('.explorer[data-kind="pooling"]')
    assert number(place, "flat") == costs.linear(1024 * 49, 1000, bias=False).parameters
    place.get_by_role("slider", name="map size").press("Home")
    assert number(place, "flat") == number(place, "averaged")


def test_the_search_finds(site, page):
    page.goto(site.url + "search.html?q=bottleneck")
    page.locator("#search-results li a").first.wait_for()
    found = page.locator("#search-results li a").all_inner_texts()
    assert any("01 · The bottleneck" in text for text in found)


def test_it_opens_from_the_disk_without_a_server(site, page):
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((site.folder / "index.html").as_uri())
    assert number(page.locator(".explorer").first, "through") == 50_688
    page.goto((site.folder / "slides" / f"{NOTEBOOKS[0].stem}.html").as_uri())
    page.wait_for_function("Reveal.isReady()")
    assert errors == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_slides_walk_and_hold_the_whole_notebook(site, page, path):
    page.goto(f"{site.url}slides/{path.stem}.html")
    page.wait_for_function("Reveal.isReady()")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert page.locator(".jp-CodeCell").count() == len(code)
    slides, seen = page.evaluate("Reveal.getTotalSlides()"), 1
    while not page.evaluate("Reveal.isLastSlide()"):
        page.keyboard.press("Space")
        seen += 1
        assert seen <= slides
    assert seen == slides > len(code) // 2
