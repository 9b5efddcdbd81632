"""A film in a page: does it move, and does it stand still on demand?"""

from base64 import b64decode

from playwright.sync_api import Locator, Page

SOON = 5_000  # milliseconds: the last picture of a film is held for half of them


def check_films(page: Page) -> int:
    """How many there are. Each moves, and is a still picture for a reader whose system
    asks for less motion.
    """
    films = page.locator("picture:has(source) img").all()
    for film in films:
        for kind in ("png", "webp"):  # the last is what the browser begins with
            page.emulate_media(
                reduced_motion="reduce" if kind == "png" else "no-preference"
            )
            film.evaluate("image => image.decode()")
            source = film.evaluate("image => image.currentSrc")
            assert source.startswith(f"data:image/{kind};")
            assert film.get_attribute("alt")
            if kind == "png":  # one that moves has a chunk of this name
                assert b"acTL" not in b64decode(source.partition(",")[2])
            elif film.is_visible():  # on its slide it isn't
                assert moves(page, film)
    return len(films)


def moves(page: Page, film: Locator) -> bool:
    """Whether it looks different within five seconds."""
    film.scroll_into_view_if_needed()
    first = film.screenshot()
    for _ in range(SOON // 250):
        page.wait_for_timeout(250)
        if film.screenshot() != first:
            return True
    return False
