"""Wrong arguments of every type, and what an error must look like."""

import math
from collections.abc import Callable

import pytest
from hypothesis import strategies as st

# Nothing of this is a positive integer.
NO_COUNT = st.one_of(
    st.sampled_from([None, True, False, "", "3", "many", b"3", math.nan, math.inf]),
    st.integers(max_value=0),
    st.floats(),
    st.complex_numbers(),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
    st.sampled_from([object(), int, len, ...]),
)
# Nothing of this is a number from 0 up to, and without, 1.
NO_RATE = st.one_of(
    st.sampled_from(
        [None, True, False, "", "0.4", b"0", math.nan, math.inf, -math.inf]
    ),
    st.floats(max_value=0, exclude_max=True),
    st.floats(min_value=1),
    st.integers(min_value=1),
    st.integers(max_value=-1),
    st.lists(st.floats(0, 0.9), max_size=2),
    st.sampled_from([object(), float, ...]),
)
# Nothing of this is True or False.
NO_FLAG = st.one_of(
    st.sampled_from([None, "", "yes", "no", "False", b"1", math.nan, ...]),
    st.integers(),
    st.floats(),
    st.lists(st.booleans(), max_size=2),
)


def refuses(name: str, call: Callable, *arguments, **options) -> None:
    """``call`` must answer with one clear sentence that begins with the name.

    Anything but a ValueError or a TypeError comes through, and fails the test.
    """
    with pytest.raises((ValueError, TypeError)) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert message.startswith(name), message
    assert " must " in message and ", got " in message, message
    assert len(message.splitlines()) == 1 or "\n" in repr(arguments), message
