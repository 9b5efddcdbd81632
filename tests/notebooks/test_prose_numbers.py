"""Every number in the text of a notebook comes from somewhere."""

import re

import prose
import pytest
import test_prose_00_to_02
import test_prose_03_to_05
import test_prose_06_to_09
import test_prose_10
import test_prose_11
from checked_outputs import code, compared

CASES: prose.Cases = {
    **test_prose_00_to_02.CASES,
    **test_prose_03_to_05.CASES,
    **test_prose_06_to_09.CASES,
    **test_prose_10.CASES,
    **test_prose_11.CASES,
}
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?!\w)")
YEAR = re.compile(r"19\d\d|20[0-3]\d")
NO_TEXT = re.compile(r"\]\([^)]*\)|`[^`]*`|arXiv:\S+|issue \d+|CC BY\S* [\d.]+")
# What other people wrote or measured, what an exercise supposes, round examples.
FACTS = {
    "00": "0.99 1.2 6.7 10.1 16.4 1000",
    "01": "1.5 8.2 820",
    "02": "3.1",
    "03": "0.6 1.2 3.2 512 4096",
    "04": "0.5 1.2 2.2 302 528 1598",
    "05": "0.0001 0.001 1.3 3.3 3.5 4.1 6.8 7.0 100 170 255 366 678 906 1598 2700 3067",
    "06": "0.01 0.5 0.85 0.87 180 185",
    "07": "0.69 0.82 0.83 0.85 0.87 0.88 0.9 1.11 1.4 82.4 88.4 144 154 540 656",
    "08": "0.0 0.1 0.2 0.3 0.4 1.2 9.0 1476",
    "09": "0.1 0.70 0.9 7.89 10.07 100 300 400",
    "10": "0.6 0.7 0.9 1.8 350 600 656",
    "11": "1.2 999 1000",
}


def numbers(text: str) -> set[str]:
    return {found.rstrip(",").replace(",", "") for found in NUMBER.findall(text)}


@pytest.mark.parametrize("name", CASES)
def test_a_number_is_printed_computed_or_a_known_fact(name):
    """Those of three digits, or with a decimal point: of smaller ones there are many
    by chance.
    """
    cells = code(prose.read(name))
    shown = [cell.source for cell in cells]
    shown += [str(outputs) for outputs in compared(cells).values()]
    shown += re.findall(r"'alt': (.*?)}", str([cell.outputs for cell in cells]))
    computed = [prose.filled(*case) for case in CASES[name].items()]
    said = NO_TEXT.sub("", prose.text(name))
    open_ = {
        number
        for number in numbers(said) - numbers(" ".join(shown + computed))
        if ("." in number or len(number) > 2) and not YEAR.fullmatch(number)
    }
    assert open_ <= set(FACTS[name].split())
