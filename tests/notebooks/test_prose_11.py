"""Numbers that the text of 11 states and no cell beside it prints."""

import math

import prose

from inception_lib.analysis import dreams
from inception_lib.model import GOOGLENET_WIDTHS
from inception_lib.teaching import results
from inception_lib.training.step import AUGMENTATION

DREAMS = results.table("dreams")


def dreamt() -> tuple[int, ...]:
    """How many dreams were tried; how many drive their channel, by dreamer."""
    above = DREAMS[DREAMS.reached > 1].dreamer.value_counts()
    return len(DREAMS) // 2, above["trained"], above["shuffled"]


def damped() -> float:
    """The power of the frequency by which a wave is divided."""
    waves = dreams.damping(64)[0]
    return math.log2(waves[2] / waves[1])


CASES: prose.Cases = {
    "11": {
        "divided by its frequency (here to the power of {:.1f},": damped,
        "if only one place in {:,} gives": lambda: dreams.RARE,
        "of the {} of 4d the one": lambda: GOOGLENET_WIDTHS["4d"].out_channels,
        "Of the {} channels it is {} of its own dreams and {} of the shuffled": dreamt,
        "it turns cells by {:.0f} degrees at most": lambda: AUGMENTATION["strong"][
            "rotate"
        ],
    }
}


@prose.parametrize(CASES)
def test_the_text_states_what_is_computed(name, piece, compute):
    prose.check(name, piece, compute)
