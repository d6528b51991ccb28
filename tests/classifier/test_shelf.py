"""The shelf: another model comes into use in one step, and a damaged one never does."""

import json
import threading

import pytest

from classifier import ArtifactError, default_artifact
from classifier.shelf import Change, Nothing, Shelf, Standing
from tests.fuzz.artifacts import tiny


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "models", default_artifact())


@pytest.fixture
def one(tmp_path):
    return tiny(tmp_path / "one", seed=1)


@pytest.fixture
def two(tmp_path):
    return tiny(tmp_path / "two", seed=2)


def test_without_a_shelf_the_shipped_model_is_in_use(shelf):
    assert shelf.standing() == Standing("", ())
    assert shelf.kept() == []
    assert shelf.open("").version


def test_models_of_one_version_are_told_apart(shelf, one, two):
    first, second = shelf.put(one), shelf.put(two)
    assert first != second
    assert first.startswith("tiny-1@")
    assert second.startswith("tiny-1@")
    assert shelf.put(one) == first
    assert shelf.kept() == sorted([first, second])


def test_activating_and_going_back_are_told_with_who_and_when(shelf, one, two):
    first, second = shelf.put(one), shelf.put(two)
    shelf.activate(first, by="ann", now=1)
    shelf.activate(second, by="bob", now=2)
    assert shelf.standing() == Standing(second, (first, ""))
    shelf.rollback(by="ann", now=3)
    assert shelf.standing() == Standing(first, ("",))
    shelf.rollback(by="ann", now=4)
    assert shelf.standing() == Standing("", ())
    assert shelf.history()[-2] == Change(
        at=3, by="ann", action="rollback", before=second, after=first
    )
    with pytest.raises(Nothing):
        shelf.rollback(by="ann", now=5)
    assert len(shelf.history()) == 4


def test_an_order_to_go_back_that_is_repeated_goes_back_once(shelf, one, two):
    first, second = shelf.put(one), shelf.put(two)
    shelf.activate(first, by="ann", now=1)
    shelf.activate(second, by="ann", now=2)
    shelf.rollback(by="ann", now=3, leaving=second)
    with pytest.raises(Nothing, match="in use is"):
        shelf.rollback(by="ann", now=3, leaving=second)
    assert shelf.standing().active == first


def test_a_damaged_model_is_refused_and_the_old_one_stays(shelf, one, two):
    first, second = shelf.put(one), shelf.put(two)
    shelf.activate(first, by="ann", now=1)
    shelf.activate(second, by="ann", now=2)
    weights = shelf.path_of(first) / "weights.npy"
    raw = bytearray(weights.read_bytes())
    raw[200] ^= 1
    weights.write_bytes(bytes(raw))
    for act in (
        lambda: shelf.rollback(by="ann", now=3),
        lambda: shelf.activate(first, by="ann", now=3),
    ):
        with pytest.raises(ArtifactError, match="SHA-256"):
            act()
    assert shelf.standing() == Standing(second, (first, ""))
    assert len(shelf.history()) == 2
    assert shelf.put(one) == first  # a good copy takes the damaged one's place
    shelf.rollback(by="ann", now=4)
    assert shelf.standing().active == first


def test_a_model_in_anothers_place_is_refused(shelf, one, two):
    first, second = shelf.put(one), shelf.put(two)
    place = shelf.path_of(first)
    place.rename(place.with_name("aside"))
    shelf.path_of(second).rename(place)
    with pytest.raises(ArtifactError, match="named after"):
        shelf.activate(first, by="ann", now=1)


@pytest.mark.parametrize("name", ["../one", "a/b@01234567", "tiny-1", "x@0123456", "\0@01234567"])
def test_only_names_of_the_shelf_lead_to_a_folder(shelf, name):
    with pytest.raises(ArtifactError, match="no model on this shelf"):
        shelf.activate(name, by="ann", now=1)
    (shelf.folder / "active.json").write_text(json.dumps({"active": name, "earlier": []}))
    with pytest.raises(ArtifactError):
        shelf.standing()


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"active": 1}', b"\xff", b"null"])
def test_a_record_that_is_none_is_told(shelf, raw):
    shelf.folder.mkdir()
    (shelf.folder / "active.json").write_bytes(raw)
    with pytest.raises(ArtifactError, match=r"active\.json"):
        shelf.standing()


def test_whoever_reads_sees_the_old_model_or_the_new_one(shelf, one, two):
    names = [shelf.put(one), shelf.put(two)]
    shelf.activate(names[0], by="ann", now=0)
    stop, seen, marks = threading.Event(), set(), set()

    def look():
        while not stop.is_set():
            seen.add(shelf.standing().active)
            marks.add(shelf.mark())

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    for i in range(1, 25):
        shelf.activate(names[i % 2], by="ann", now=i)
    stop.set()
    for reader in readers:
        reader.join()
    assert seen <= set(names)
    assert len(shelf.history()) == 25


def test_changes_by_several_at_once_come_one_after_the_other(shelf, one, two):
    names = [shelf.put(one), shelf.put(two)]

    def change(start):
        for i in range(8):
            Shelf(shelf.folder, default_artifact()).activate(
                names[(start + i) % 2], by=f"t{start}", now=i
            )

    threads = [threading.Thread(target=change, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = shelf.history()
    assert len(history) == 24
    assert [c.before for c in history[1:]] == [c.after for c in history[:-1]]
    assert shelf.standing().active == history[-1].after
