"""The website, built once and opened in a real Chromium: no kernel, no network."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from films import check_films
from websites import (
    DESKTOP,
    PHONE,
    Heard,
    Quiet,
    faults,
    listen,
    low_contrasts,
    served,
    tab_to,
)

from inception_lib import GOOGLENET_WIDTHS
from inception_lib.analysis import costs
from inception_lib.analysis.costs import Cost

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
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
# Of the present slide, whether it is the last one, and the pixels that don't fit on it.
SLIDE = """() => {
    const slide = Reveal.getCurrentSlide();
    return [Reveal.isLastSlide(), slide.scrollHeight - slide.clientHeight];
}"""


class Visit(NamedTuple):
    heard: Heard
    told: dict
    violations: list[str]  # found by axe-core, where it was asked


@pytest.fixture(scope="session")
def visits(site, browser) -> dict[str, Visit]:
    """Every page, opened once on a phone; axe-core looks at it there and then."""
    page, found = browser.new_page(), {}
    heard = listen(page)
    for name in site.pages:
        page.set_viewport_size(PHONE)
        page.emulate_media(color_scheme="light")
        page.goto(site.url + name)
        told, seen = page.evaluate(TELL), look(page, name)
        found[name] = Visit(Heard(*map(list.copy, heard)), told, seen)
        heard.errors.clear()
        heard.requests.clear()
    page.close()
    return found


def is_slides(name: str) -> bool:
    return name.startswith("slides/")


def numbers(place) -> dict[str, int]:
    """By name ("direct parameters"), as the explorer shows them now."""
    texts = place.evaluate(
        "place => [...place.querySelectorAll('[data-number]')]"
        ".map(e => [e.dataset.number, e.textContent.replaceAll(',', '')])"
    )
    return {name: int(text) for name, text in texts if text.isdecimal()}


def test_no_slide_shows_the_answer_beside_its_question(site):
    questions = 0
    for path in NOTEBOOKS:
        html = (site.folder / f"slides/{path.stem}.html").read_text(encoding="utf-8")
        for slide in html.split("<section"):
            _, asks, rest = slide.partition("<strong>Predict")
            questions += bool(asks)
            assert "jp-OutputArea-output" not in rest, (path.stem, rest[:200])
    assert questions > 50


def test_every_notebook_has_its_page_and_its_slides(site):
    for path in NOTEBOOKS:
        assert {f"notebooks/{path.stem}.html", f"slides/{path.stem}.html"} <= set(
            site.pages
        )
    for name in ("index", "api", "teachers", "glossary", "references", "search"):
        assert f"{name}.html" in site.pages


def test_nothing_is_wrong_on_any_page(visits):
    assert {name: v.heard.errors for name, v in visits.items() if v.heard.errors} == {}
    assert [name for name, v in visits.items() if v.told["broken"]] == []


def test_nothing_is_asked_of_another_server(visits, site):
    for name, visit in visits.items():
        assert visit.heard.outside(site) == [], name


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
        written |= set(re.findall(r"!\[(.+?)\]\(maps/", "".join(cells[0]["source"])))
        for folder in ("notebooks", "slides"):
            shown = visits[f"{folder}/{path.stem}.html"].told["alts"]
            assert set(shown) == written, (folder, path.stem)


@pytest.mark.parametrize("folder", ["notebooks", "slides"])
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_film_moves_unless_the_reader_wants_less_motion(site, page, path, folder):
    page.goto(f"{site.url}{folder}/{path.stem}.html")
    films = path.read_text(encoding="utf-8").count("data:image/webp")
    assert check_films(page) == films


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


# One such page is like the other: the library's code, and slides of the same cells.
SOURCE = "_modules/inception_lib/analysis/costs.html"
SLIDES = f"slides/{NOTEBOOKS[1].stem}.html"
ON_A_PHONE = ["index.html", "glossary.html", f"notebooks/{NOTEBOOKS[1].stem}.html"]


def look(page, name: str) -> list[str]:
    """What axe-core finds: on a phone, then on a desk in the light and in the dark."""
    if name.startswith(("_modules/", "slides/")) and name not in (SOURCE, SLIDES):
        return []
    page.evaluate(AXE_SCRIPT)
    page.add_style_tag(content="* { transition: none !important }")  # all is in place
    found = faults(page) + low_contrasts(page) if name in ON_A_PHONE else []
    page.set_viewport_size(DESKTOP)
    found += faults(page) + low_contrasts(page)
    if not is_slides(name):  # they are always light
        page.emulate_media(color_scheme="dark")
        found += low_contrasts(page)
    return found


def test_axe_finds_nothing_serious(visits):
    found = {name: v.violations for name, v in visits.items() if v.violations}
    assert found == {}


def test_axe_would_find_it(site, page):
    """Grey that is too light on white, and too dark on black."""
    page.goto(site.url + "references.html")
    page.evaluate(AXE_SCRIPT)
    page.add_style_tag(content="article p { color: #777 !important }")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        (found,) = low_contrasts(page)
        assert found.startswith("color-contrast")


def test_light_and_dark(site, page):
    """By the system's setting, and by the button in the page."""
    brightness = "() => getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
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


def test_the_keyboard_alone_moves_a_slider_and_chooses_a_module(site, page):
    page.goto(site.url)
    place = page.locator('.explorer[data-kind="bottleneck"]')
    tab_to(page, place.get_by_role("slider", name="bottleneck width"))
    told = set()
    for width in (24, 25, 26):
        cost = costs.bottleneck(512, width, 64, 5, 14, bias=False)
        shown = numbers(place)
        assert shown["through parameters"] == cost.parameters
        assert shown["through multiplyAdds"] == cost.multiply_adds
        box = place.locator('[name="width"][type="number"]')
        assert box.input_value() == str(width)
        told.add(place.get_by_role("status").inner_text())
        page.keyboard.press("ArrowRight")
    assert len(told) == 3
    module = page.locator('.explorer[data-kind="module"]')
    button = module.get_by_role("button", name="3b")
    tab_to(page, button)
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"


def test_a_screen_reader_is_told_one_line_and_which_sliders_these_are(site, page):
    page.goto(site.url)
    groups = page.locator(".explorer")
    names = groups.evaluate_all("all => all.map(e => e.ariaLabel)")
    assert len(set(names)) == groups.count() == 2
    live = page.locator(".explorer :is([aria-live], [role=status])")
    assert live.count() == 2
    assert all(20 < len(line) < 150 for line in live.all_inner_texts())


def costs_shown(place) -> dict[str, Cost]:
    """By row of the explorer's table."""
    shown = numbers(place)
    rows = [name.removesuffix(" outputs") for name in shown if name.endswith("outputs")]
    return {r: Cost(shown[f"{r} parameters"], shown[f"{r} multiplyAdds"]) for r in rows}


STATES = [
    (512, 64, 5, 387, 14),
    (512, 64, 5, 388, 14),
    (192, 128, 3, 96, 28),
    (1024, 1024, 11, 1024, 112),
    (1, 1, 1, 1, 1),
    (64, 64, 1, 56, 7),
]


def test_the_bottlenecks_numbers_are_the_librarys(site, page):
    page.goto(site.url)
    place = page.locator('.explorer[data-kind="bottleneck"]')
    names = ("in_channels", "out_channels", "kernel_size", "width", "map_size")
    for state in STATES:
        for name, value in zip(names, state, strict=True):
            place.locator(f'[name="{name}"][type="number"]').fill(str(value))
        c_in, c_out, kernel, width, size = state
        expected = {
            "direct": costs.convolution(c_in, c_out, kernel, size, bias=False),
            "first": costs.convolution(c_in, width, 1, size, bias=False),
            "second": costs.convolution(width, c_out, kernel, size, bias=False),
            "through": costs.bottleneck(c_in, width, c_out, kernel, size, bias=False),
        }
        assert costs_shown(place) == expected
        pays = costs.break_even_width(c_in, c_out, kernel)
        assert numbers(place)["breakEven"] == pays
        verdict = place.locator('[data-number="verdict"]').inner_text()
        assert ("costs more" in verdict) == (width > pays)


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
    check_module(place, inputs[name], replace(widths, ch5x5red=96))


def check_module(place, given, widths) -> None:
    channels, size = given
    parts = costs.inception(channels, widths, size)
    naive = sum(costs.naive_inception(channels, widths, size).values())
    plain = costs.convolution(channels, widths.out_channels, 3, size)
    total = sum(parts.values())
    assert costs_shown(place) == {
        "1x1": parts["1x1"],
        "3x3": parts["3x3 reduce"] + parts["3x3"],
        "5x5": parts["5x5 reduce"] + parts["5x5"],
        "pool": parts["pool"],
        "all": total,
        "naive": naive,
        "plain": plain,
    }
    shown = numbers(place)
    assert shown["all outputs"] == shown["plain outputs"] == widths.out_channels
    passed_on = widths.out_channels - widths.pool_proj + channels
    assert shown["naive outputs"] == passed_on
    line = place.get_by_role("status").inner_text()
    for cost in (naive, plain):
        assert f"{cost.multiply_adds / total.multiply_adds:.1f} times" in line


def test_the_notebooks_sliders_live(site, page):
    page.goto(site.url + "notebooks/02_inception_module.html")
    place = page.locator('.explorer[data-kind="module"]')
    assert place.locator('button[aria-pressed="true"]').inner_text() == "3b"
    page.goto(site.url + "notebooks/03_global_average_pooling.html")
    place = page.locator('.explorer[data-kind="pooling"]')
    assert costs_shown(place) == {
        "flat": costs.linear(1024 * 49, 1000, bias=False),
        "averaged": costs.linear(1024, 1000, bias=False),
    }
    place.get_by_role("slider", name="map size").press("Home")
    shown = costs_shown(place)
    assert shown["flat"] == shown["averaged"]


class Lost(Quiet):
    """A server that has a page for addresses which lead nowhere, as GitHub's has."""

    def translate_path(self, path: str) -> str:
        found = super().translate_path(path)
        return found if Path(found).exists() else super().translate_path("/404.html")


def test_an_address_that_leads_nowhere_leads_home_at_any_depth(site, browser):
    with served(site.folder, Lost) as lost:
        page = browser.new_page(viewport=PHONE)
        heard = listen(page)
        page.goto(lost.url + "no/such/page.html")
        page.get_by_role("heading", name="There is no such page").wait_for()
        weight = "getComputedStyle(document.querySelector('article a')).textDecoration"
        assert "underline" in page.evaluate(weight)  # the theme's own
        page.get_by_role("link", name="first page").click()
        page.get_by_role("heading", name="Meet the network").wait_for()
        assert page.url == lost.url + "index.html"
        assert heard.errors == []
        page.close()


def test_the_search_finds(site, page):
    page.goto(site.url + "search.html?q=bottleneck")
    page.locator("#search-results li a").first.wait_for()
    found = page.locator("#search-results li a").all_inner_texts()
    assert any("01 · The bottleneck" in text for text in found)


def test_it_opens_from_the_disk_without_a_server(site, page):
    page.goto((site.folder / "index.html").as_uri())
    assert numbers(page.locator(".explorer").first)["through parameters"] == 50_688
    page.goto((site.folder / "slides" / f"{NOTEBOOKS[0].stem}.html").as_uri())
    page.wait_for_function("Reveal.isReady()")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_slides_walk_and_hold_the_whole_notebook(site, page, path):
    page.goto(f"{site.url}slides/{path.stem}.html")
    page.wait_for_function("Reveal.isReady()")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert page.locator(".jp-CodeCell").count() == len(code)
    slides, seen = page.evaluate("Reveal.getTotalSlides()"), 0
    last = False
    while not last:
        last, hidden = page.evaluate(SLIDE)
        assert hidden < 200  # of 760: a longer slide scrolls, but not far
        seen += 1
        assert seen <= slides
        page.keyboard.press("Space")
    assert seen == slides > len(code) // 2
    back = page.locator("a.back").evaluate("link => link.href")
    assert back == f"{site.url}notebooks/{path.stem}.html"
