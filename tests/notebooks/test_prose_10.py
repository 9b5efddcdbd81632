"""What notebook 10's text says of the committed races, computed from their table."""

import re

import prose
from prose import read

from inception_lib.analysis.forms import FORMS
from inception_lib.teaching import results
from inception_lib.teaching.lessons import nb10

WORDS = {9: "nine", 10: "ten", 18: "eighteen"}
RACE = results.table("race")


CASES: prose.Cases = {
    "10": {
        "there are {} comparisons": lambda: WORDS[len(nb10.SETS) * (len(FORMS) - 1)],
        "{} epochs of images of {} pixels at most": lambda: (
            WORDS[nb10.RECIPE.epochs],
            nb10.RECIPE.image_size,
        ),
    },
}


@prose.parametrize(CASES)
def test_the_text_states_what_is_computed(name, piece, compute):
    prose.check(name, piece, compute)


def test_the_minutes_are_fair():
    """Each quicker form against Inception with as many epochs as fit, to one."""
    time = results.table("race_time").set_index("form").time
    source = next(c.source for c in read("10").cells if c.id == "10-minutes-run")
    asked = {
        form: int(n) for form, n in re.findall(r'"([^"]+)"(?:: |\] = )(\d)', source)
    }
    assert set(asked) == set(time.index[time < 0.95])
    for form, epochs in asked.items():
        assert abs(10 * time[form] - epochs) < 1
        assert epochs in set(RACE[RACE.form == "Inception"].epochs)
