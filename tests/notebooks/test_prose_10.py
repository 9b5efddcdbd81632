"""Every number that notebook 10's text states, computed here."""

import prose

from inception_lib.analysis.forms import FORMS
from inception_lib.teaching import results
from inception_lib.teaching.lessons import nb10


def verdicts(epochs: int = 10) -> dict[str, set[str]]:
    """Which forms are behind Inception, and which ahead, by more than two standard
    errors on both sets.
    """
    race, found = results.table("race"), {}
    for sign, name in ((-1, "behind"), (1, "ahead")):
        clear = [
            {
                form
                for form, row in nb10.compared(race, judge).iterrows()
                if sign * row.points > 2 * row.error
            }
            for judge in nb10.SETS
        ]
        found[name] = set.intersection(*clear)
    return found
