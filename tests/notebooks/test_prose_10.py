"""What notebook 10's text says of the committed races, computed from their table."""

import re

import prose
from prose import read, text

from inception_lib.analysis.forms import FORMS
from inception_lib.teaching import results
from inception_lib.teaching.lessons import nb10

WORDS = {9: "nine", 10: "ten", 18: "eighteen"}
RACE = results.table("race")


def clear(sign: int) -> set[str]:
    """The forms that are ahead of Inception (1) or behind (-1) on both sets by more
    than two standard errors of the mean.
    """
    tables = [nb10.compared(RACE, judge) for judge in nb10.SETS]
    return set.intersection(
        *(set(t.index[sign * t.points > 2 * t.error]) for t in tables)
    )


CASES: prose.Cases = {
    "10": {
        "for {} multiply-adds at each pixel you can have {} kernels of 3×3, or {} of "
        "5×5, or {} of 7×7": lambda: (225, *(225 // k**2 for k in (3, 5, 7))),
        "The error bars are those of {:,} pictures": lambda: 4000,
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


def test_the_verdict_is_the_tables():
    assert clear(-1) == {"depthwise separable"} and not clear(1)
    assert "One rival is behind by more than two standard errors on both sets" in text("10")
    assert "Nobody is ahead on both." in text("10")
    assert "of nine rivals one is behind and none ahead" in text("10")


def test_the_loser_is_far_below_chance():
    for judge in nb10.SETS:
        assert nb10.compared(RACE, judge).p["depthwise separable"] < 0.05 / 18


def test_six_seeds_would_have_told_another_story():
    ratios = {}
    for seeds in (6, 10):
        gains = [
            nb10.gains(RACE[RACE.seed < seeds], "3×3 only", judge)
            for judge in nb10.SETS
        ]
        ratios[seeds] = [g.mean() / (g.std() / len(g) ** 0.5) for g in gains]
    assert max(ratios[6]) < -1.9 and min(ratios[10]) > -1.5


def test_5x5_alone_is_not_behind_in_its_minutes():
    assert all(nb10.gains(RACE, "5×5 only", judge, 7).mean() > 0 for judge in nb10.SETS)


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
