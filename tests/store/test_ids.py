"""Ids go where people carry them: into URLs and onto command lines."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ids import Keyed, Sequence, random_id, site_number_of


def test_no_id_looks_like_an_option_of_a_command() -> None:
    # One in 64 would, left to chance; 5,000 draws let a relapse pass once in 10^34 runs.
    found = {random_id(9) for _ in range(5_000)}
    assert len(found) == 5_000
    assert not [name for name in found if name.startswith("-")]


@given(key=st.binary(max_size=200), text=st.binary(max_size=200))
def test_a_keyed_hash_is_hmac(key: bytes, text: bytes) -> None:
    assert Keyed(key).digest(text) == hmac.digest(key, text, "sha256")


def test_ids_rise_within_a_millisecond_and_name_their_site() -> None:
    # Where the random part has no room left an id starts anew: once in 25,000 runs of 20.
    ids, made = Sequence(), []
    for now, site in [(1, 7)] * 20 + [(1, 8)] * 3 + [(2, 7)] * 20:
        made.append(ids.next(now, site))
        assert site_number_of(made[-1]) == site
    assert len(set(made)) == len(made)
    assert made[:20] == sorted(made[:20])
    assert made[23:] == sorted(made[23:])
    assert max(made[:20]) < min(made[23:])
    with pytest.raises(ValueError, match="site number"):
        ids.next(1, 1 << 20)
