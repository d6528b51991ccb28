"""A model folder is believed only when every byte of it is as written."""

import io
import json
import random
import shutil

import numpy as np
import pytest

from classifier import ArtifactError, load
from classifier.artifact import seal


@pytest.fixture
def copy(tiny_model, tmp_path):
    return shutil.copytree(tiny_model, tmp_path / "copy")


def rewrite(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))
    seal(folder)


def test_every_flipped_bit_in_the_weights_is_refused(copy):
    path = copy / "weights.npy"
    good = path.read_bytes()
    draw = random.Random(7)
    for place in [*range(0, 128, 5), *(draw.randrange(len(good)) for _ in range(6000))]:
        bad = bytearray(good)
        bad[place] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(bad))
        with pytest.raises(ArtifactError, match="weights"):
            load(copy)


@pytest.mark.parametrize("name", ["manifest.json", "lexicon.tsv", "CARD.md", "SHA256SUMS"])
def test_every_flipped_bit_in_the_other_files_is_refused(copy, name):
    path = copy / name
    good = path.read_bytes()
    draw = random.Random(8)
    for _ in range(1000):
        bad = bytearray(good)
        bad[draw.randrange(len(good))] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(bad))
        with pytest.raises(ArtifactError):
            load(copy)


def test_a_truncated_or_lengthened_weight_file_is_refused(copy):
    path = copy / "weights.npy"
    good = path.read_bytes()
    for bad in (b"", good[:10], good[:127], good[:-1], good + b"\0"):
        path.write_bytes(bad)
        with pytest.raises(ArtifactError, match="bytes, expected"):
            load(copy)


def test_a_header_that_promises_another_array_is_refused(copy):
    path = copy / "weights.npy"
    good = path.read_bytes()
    for other in (np.zeros((6144, 8), np.float16), np.zeros((8, 6144), np.int16)):
        header = io.BytesIO()
        np.save(header, other)
        path.write_bytes(header.getvalue()[:128] + good[128:])
        with pytest.raises(ArtifactError, match="header"):
            load(copy)


def test_a_pickled_object_array_is_never_read(copy):
    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (copy / "weights.npy").write_bytes(out.getvalue())
    with pytest.raises(ArtifactError):
        load(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 1}, "format"),
        ({"features_version": 99}, "features version"),
        ({"heads": []}, "labels"),
        ({"sha256": {}}, "SHA-256"),
        ({"self_test": []}, "self-test"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(copy, change, message):
    rewrite(copy, **change)
    with pytest.raises(ArtifactError, match=message):
        load(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["spam"]}, "labels"),
        ({"char_bits": 40}, "table sizes"),
        ({"char_bits": 13}, "bytes, expected"),
        ({"language": "../x"}, "one a language"),
        ({"bias": [0.0] * 7}, "bias"),
        ({"slope": [1e400] * 8}, "slope|manifest"),
        ({"scale": [9.0] * 8}, "self-test"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(copy, change, message):
    heads = json.loads((copy / "manifest.json").read_bytes())["heads"]
    rewrite(copy, heads=[heads[0] | change, *heads[1:]])
    with pytest.raises(ArtifactError, match=message):
        load(copy)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_a_manifest_that_is_not_one_is_refused(copy, raw):
    (copy / "manifest.json").write_bytes(raw)
    with pytest.raises(ArtifactError, match="manifest"):
        load(copy)


def test_a_missing_weight_file_is_refused(copy):
    (copy / "weights.npy").unlink()
    with pytest.raises(ArtifactError, match="No such file"):
        load(copy)


def test_the_weights_are_mapped_read_only(tiny_model):
    model = load(tiny_model)
    assert not any(head.table.weights.flags.writeable for head in model.heads)
