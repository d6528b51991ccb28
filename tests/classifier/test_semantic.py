"""The second stage reads sentences, is believed only when unaltered, and knows its limits."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import classifier
from classifier import LABELS, ArtifactError, semantic
from classifier.labels import column
from classifier.semantic import artifact, building, encoder, reading

pytestmark = pytest.mark.skipif(
    bool(semantic.missing_packages()),
    reason="the extra is not installed: make semantic",
)

TOXICITY, SPAM = column("toxicity"), column("spam")
FRIENDLY = (
    "Thanks for the write-up, the second example finally made it click for me. I tried it on "
    "our own project last week and it went well, apart from a small problem with the paths. "
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def loaded(cache):
    return semantic.load(cache=cache)


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(semantic.default_folder(), tmp_path / "copy")


def rewrite(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))
    artifact.seal(folder)


def rearrange(folder, **changes):
    """Other arrays in the folder, with checksums that fit them."""
    import hashlib

    from safetensors.numpy import load_file, save

    raw = save(load_file(folder / artifact.CHANGES) | changes)
    (folder / artifact.CHANGES).write_bytes(raw)
    rewrite(folder, sha256={artifact.CHANGES: hashlib.sha256(raw).hexdigest()})


def test_nothing_heavy_is_imported_before_the_encoder_is_loaded():
    code = (
        "import sys, classifier.semantic as s; s.missing_packages();"
        "print([m for m in sys.modules if m.split('.')[0] in (*s.encoder.PARTS, 'torch')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert ran.stdout.strip() == "[]"


def test_the_shipped_encoder_loads_and_repeats_its_self_test(loaded):
    vectors = loaded.manifest.self_test
    scores = encoder.logistic(loaded.margins([v.text for v in vectors]))
    expected = np.array([v.scores for v in vectors])
    assert np.abs(scores - expected).max() < encoder.SELF_TEST_TOLERANCE
    assert loaded.labels == LABELS
    assert loaded.version.startswith("semantic-")


def test_the_shipped_folder_is_small_enough_for_git():
    assert sum(p.stat().st_size for p in semantic.default_folder().iterdir()) < 4_000_000


def test_abuse_scores_higher_than_the_same_words_in_kindness(loaded):
    pairs = [
        ("I hate that people insult immigrants.", "I hate immigrants, they are filth."),
        ("You are a good friend.", "You are a pathetic idiot."),
    ]
    for kind, hostile in pairs:
        scores = loaded.margins([kind, hostile])[:, TOXICITY]
        assert scores[0] + 1 < scores[1]


def test_a_text_scores_the_same_whatever_is_scored_beside_it(loaded):
    texts = ["You are a pathetic idiot.", FRIENDLY * 8, "", "ok"]
    together = loaded.margins(texts)
    assert together.dtype == np.float32
    assert together.shape == (4, 8)
    assert np.array_equal(together, np.concatenate([loaded.margins([t]) for t in texts]))


@pytest.mark.parametrize("repeats", [4, 12, 60])
def test_an_insult_at_the_end_of_a_long_text_is_found(loaded, repeats):
    long = FRIENDLY * repeats
    plain, hiding = loaded.margins([long, long + "You are a fucking retarded piece of shit."])
    assert hiding[TOXICITY] > plain[TOXICITY] + 1.5


def test_text_in_another_script_is_left_to_the_first_stage(loaded):
    rows = loaded.margins(["Спасибо за статью", "谢谢你的文章", "Thanks for the article", "👍"])
    assert np.isnan(rows).all(1).tolist() == [True, True, False, False]
    assert np.isfinite(rows[2:]).all()


@pytest.mark.parametrize(
    "text",
    [
        "Danke für den Artikel, ich habe ihn meinen Kollegen weitergeleitet.",
        "Bu yazıyı çok beğendim, arkadaşlarıma da gönderdim, teşekkürler.",
        "Obrigado pelo artigo, já mandei para os meus colegas de trabalho.",
        "Merci pour cet article, je l'ai envoyé à mes collègues hier soir.",
    ],
)
def test_of_other_languages_only_spam_is_told(loaded, text):
    [row] = loaded.margins([text])
    assert np.isfinite(row[SPAM])
    assert np.isnan(np.delete(row, SPAM)).all()


def test_links_and_misspelt_words_do_not_make_a_text_foreign():
    from classifier.semantic import minilm

    tokens = minilm.tokenizer(0)
    for text in (
        "see https://example.com/a/xqzwv-blgh?kjh=1 and www.sdkjfh.org for the rest of it",
        "u r a f#ckin loozer and i dont want you here, get outta my thread",
        "ok",
        "",
    ):
        kept = reading.without_addresses(text)
        assert reading.english(tokens.encode(kept, add_special_tokens=False).tokens)


def test_passages_leave_no_token_out_and_their_number_is_bounded():
    window = 32
    for length in (0, 1, 29, 30, 31, 60, 61, 100):
        ids = list(range(1000, 1000 + length))
        found = reading.passages(ids, window)
        assert {token for passage in found for token in passage} >= set(ids)
        assert all(len(passage) <= window for passage in found)
    many = reading.passages(list(range(1000, 3000)), window)
    assert len(many) == reading.MOST
    assert many[0][1] == 1000
    assert many[-1][-2] == 2999


def test_disguises_and_emoji_are_read_as_words():
    assert reading.plain("You ｉｄｉｏｔ\u200b 🖕🏽🖕🏽") == (
        "you idiot reversed hand with middle finger extended "
        "reversed hand with middle finger extended"
    )
    assert reading.plain("a\n\n b") == "a b"


def test_both_stages_count_alike_and_the_mean_is_recalibrated(loaded):
    first = np.linspace(-4, 4, 8, dtype=np.float32)[None]
    second = np.full((1, 8), 2, np.float32)
    slope, offset = (np.array(loaded.manifest.joint_slope), np.array(loaded.manifest.joint_offset))
    expected = 1 / (1 + np.exp(-((first + second) / 2 * slope + offset)))
    assert np.allclose(loaded.combine(first, second), expected, atol=1e-6)
    assert np.allclose(loaded.combine(second, first), expected, atol=1e-6)


def test_where_the_second_stage_is_silent_the_first_decides_alone(loaded):
    scores = np.array([[0.2] * 8, [0.9] * 8], np.float32)
    silent = np.full((2, 8), np.nan, np.float32)
    assert np.allclose(loaded.combine(semantic.log_odds(scores), silent), scores, atol=1e-6)


def test_refined_scores_are_those_of_both_stages(loaded):
    texts = ["You are a pathetic idiot.", "Спасибо"]
    first = classifier.load(classifier.default_artifact()).score(texts)
    refined = loaded.refine(texts, first)
    both = loaded.combine(semantic.log_odds(first), loaded.margins(texts))
    assert np.array_equal(refined[0], both[0])
    assert np.isnan(refined[1]).all()


def test_the_graph_is_kept_and_an_altered_one_is_made_again(loaded, cache):
    [graph] = cache.glob("*.onnx")
    good, made = graph.read_bytes(), graph.stat().st_mtime_ns
    semantic.load(cache=cache)
    assert graph.stat().st_mtime_ns == made
    graph.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    semantic.load(cache=cache)
    assert graph.read_bytes() == good


def test_a_cache_that_cannot_be_written_is_no_failure(loaded, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    text = ["You are a pathetic idiot."]
    other = semantic.load(cache=blocked / "cache")
    assert np.array_equal(other.margins(text), loaded.margins(text))


def test_weights_are_whole_numbers_with_a_scale_for_each_output():
    from classifier.semantic.graph import quantised

    weight = np.array([[0.5, -1.0], [0.001, 0.002]], np.float32)
    whole, scale = quantised(weight)
    assert np.abs(whole * scale[:, None] - weight).max() <= scale.max() / 2
    assert scale[1] < scale[0] / 100


@pytest.mark.parametrize("name", ["changes.safetensors", "manifest.json", "CARD.md", "SHA256SUMS"])
def test_an_altered_cut_or_missing_file_is_refused(copy, cache, name):
    path = copy / name
    good = path.read_bytes()
    for place in (0, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        with pytest.raises(ArtifactError):
            semantic.load(copy, cache)
    path.write_bytes(good[:-1])
    with pytest.raises(ArtifactError):
        semantic.load(copy, cache)
    path.unlink()
    with pytest.raises(ArtifactError):
        semantic.load(copy, cache)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"labels": ["spam"]},
        {"base_version": "9"},
        {"base_sha256": {"model.safetensors": "0" * 64}},
        {"rank": 0},
        {"rank": 8},
        {"window": 4},
        {"slope": [1.0] * 7},
        {"joint_offset": [1e400] * 8},
        {"self_test": []},
        {"unknown": 1},
    ],
)
def test_a_manifest_that_does_not_fit_this_program_is_refused(copy, cache, changes):
    rewrite(copy, **changes)
    with pytest.raises(ArtifactError):
        semantic.load(copy, cache)


@pytest.mark.parametrize(
    "bad",
    [
        np.full((8, 384), np.nan, np.float16),
        np.zeros((7, 384), np.float16),
        np.zeros((8, 384), np.float32),
    ],
)
def test_arrays_of_other_shapes_types_or_values_are_refused(copy, cache, bad):
    rearrange(copy, **{"head.weight": bad})
    with pytest.raises(ArtifactError, match="changes"):
        semantic.load(copy, cache)


def test_an_encoder_that_misses_its_self_test_is_refused(copy, cache):
    rearrange(copy, **{"head.weight": np.zeros((8, 384), np.float16)})
    with pytest.raises(ArtifactError, match="self-test"):
        semantic.load(copy, cache)


def test_a_base_other_than_the_one_tuned_on_is_refused(monkeypatch, tmp_path):
    from classifier.semantic import minilm

    shutil.copytree(minilm.folder(), tmp_path / "model")
    with (tmp_path / "model" / "model.safetensors").open("r+b") as file:
        file.seek(1 << 20)
        file.write(b"\0\1\2\3")
    monkeypatch.setattr(minilm, "folder", lambda: tmp_path / "model")
    with pytest.raises(ArtifactError, match="SHA-256"):
        building.build({})


def test_changes_of_low_rank_are_added_to_the_base_and_others_replace_it():
    from classifier.semantic.weights import merge

    base = {"a.weight": np.ones((2, 3), np.float32), "a.bias": np.zeros(2, np.float32)}
    up, down = np.array([[1], [2]], np.float32), np.array([[1, 0, -1]], np.float32)
    merged = merge(base, {"a.up": up, "a.down": down, "a.bias": np.full(2, 5, np.float32)})
    assert merged["a.weight"].tolist() == [[2, 1, 0], [3, 1, -1]]
    assert merged["a.bias"].tolist() == [5, 5]
    assert set(merged) == set(base)


def test_tuning_takes_training_rows_only_and_no_more_of_a_source_than_its_quota():
    from classifier.dataset import Example
    from classifier.semantic import rows

    examples = [
        Example(f"{part} {lang} {n}", source, lang, part, 1.0, "g", {"toxicity": 1.0})
        for source in ("sms_spam", "zh_cold")
        for part in ("train", "dev", "calibration")
        for lang in ("en", "de", "zh")
        for n in range(2_500)
    ]
    taken = rows.sample(examples, seed=1)
    assert all(text.startswith("train") for text in taken.texts)
    assert set(taken.langs) == {"en", "de"}
    english = (taken.sources == "sms_spam") & (taken.langs == "en")
    assert english.sum() == rows.QUOTAS["sms_spam"]
    assert taken.texts == rows.sample(examples, seed=1).texts
    assert taken.texts != rows.sample(examples, seed=2).texts


def test_tuning_reads_every_row_once_in_batches_of_similar_length():
    from classifier.dataset import Example, corpus
    from classifier.semantic.tuning import Plan, batches

    lengths = [1, 60] * 50
    train = corpus(
        Example("word " * n, "s", "en", "train", 1.0, "g", {"toxicity": 0.0}) for n in lengths
    )
    found = list(batches(train, Plan(batch=8, length=16)))
    assert sorted(row for batch in found for row in batch.rows) == list(range(100))
    assert all(batch.ids.shape[1] <= 16 for batch in found)
    assert all((batch.mask == (batch.ids > 0)).all() for batch in found)
    assert sum(set(batch.mask.sum(1)) == {3, 16} for batch in found) <= 1


def test_a_missing_package_is_named(monkeypatch, cache):
    monkeypatch.setattr(encoder, "PARTS", ("onnxruntime", "winnow_no_such_package"))
    with pytest.raises(ArtifactError, match="winnow_no_such_package"):
        semantic.load(cache=cache)
