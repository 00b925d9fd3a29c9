"""Numbers of mock objects: the same as ever for the usual seed, others for another seed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from common.mocks.numbers import Numbers

KIND = Numbers(900_000_001, 1_000_000)


@given(st.integers(0, 998), st.integers(0, 998), st.lists(st.integers(0, 999_999), min_size=1))
def test_no_mock_passes_for_another(one, other, index):
    numbers = KIND.of(index, one).astype(str)
    assert KIND.made(numbers, one).all()
    assert KIND.made(numbers, other).any() == (one == other)


def test_the_usual_seed_and_what_is_no_number():
    assert KIND.of(np.arange(2), 1).tolist() == [900_000_001, 900_000_002]
    assert KIND.of([0], 1000).max() < 2**31, "an obsid has 32 bits"
    assert KIND.made(["row 3", "", "900000001"], 2).tolist() == [True, True, False]
