"""Numbers that the text of 11 states and no cell beside it prints."""

import prose

from inception_lib.analysis import dreams
from inception_lib.model import GOOGLENET_WIDTHS
from inception_lib.training.loop import AUGMENTATION

CASES: prose.Cases = {
    "11": {
        "if only one place in {:,} gives": lambda: dreams.RARE,
        "of the {} of 4d the one": lambda: GOOGLENET_WIDTHS["4d"].out_channels,
        "it turns cells by {:.0f} degrees at most": lambda: AUGMENTATION["strong"][
            "rotate"
        ],
    }
}


@prose.parametrize(CASES)
def test_the_text_states_what_is_computed(name, piece, compute):
    prose.check(name, piece, compute)
