"""Ids go where people carry them: into URLs and onto command lines."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from service.ids import Keyed, random_id


def test_no_id_looks_like_an_option_of_a_command() -> None:
    # One in 64 would, left to chance; 5,000 draws let a relapse pass once in 10^34 runs.
    found = {random_id(9) for _ in range(5_000)}
    assert len(found) == 5_000
    assert not [name for name in found if name.startswith("-")]


@given(key=st.binary(max_size=200), text=st.binary(max_size=200))
def test_a_keyed_hash_is_hmac(key: bytes, text: bytes) -> None:
    assert Keyed(key).digest(text) == hmac.digest(key, text, "sha256")
