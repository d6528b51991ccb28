"""Labelled rows are judged honestly, kept once and split by their origin."""

import gzip
import json

import numpy as np
import pytest

from classifier import LABELS, dataset
from classifier.sources import SOURCES, Source, spam, toxic


def write(folder, name, rows):
    with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


def source(name, judge, **changes):
    return Source(name, "toxicity", "none", judge, **({"dev_share": 0.0} | changes))


def test_a_label_that_the_source_did_not_judge_is_missing_not_zero(tmp_path):
    write(tmp_path, "a", [{"text": "buy this now", "label": 0, "lang": "id"}])
    rows = dataset.corpus(dataset.read(tmp_path, [source("a", spam)]))
    known = {label for i, label in enumerate(LABELS) if not np.isnan(rows.targets[0, i])}
    assert known == {"spam"}


def test_a_row_without_a_judgement_is_left_out(tmp_path):
    write(
        tmp_path, "a", [{"text": "one", "label": None}, {"text": "two"}, {"text": "", "label": 1}]
    )
    assert dataset.read(tmp_path, [source("a", toxic)]) == []


def test_one_text_from_two_sources_is_one_row_with_both_judgements(tmp_path):
    write(tmp_path, "a", [{"text": "Some Text here", "label": 0}])
    write(tmp_path, "b", [{"text": "some  text HERE", "label": 0, "lang": "id"}])
    sources = [source("b", lambda row: {"profanity": 1.0}), source("a", toxic)]
    (row,) = dataset.read(tmp_path, sources)
    assert row.judged["profanity"] == 1.0
    assert row.judged["toxicity"] == 0.0


def test_a_text_that_is_held_out_anywhere_is_never_trained_on(tmp_path):
    write(tmp_path, "a", [{"text": "the very same text", "label": 0}])
    write(tmp_path, "b", [{"text": "The very same text", "label": 0}])
    sources = [source("a", toxic), source("b", toxic, held_out=("*",))]
    (row,) = dataset.read(tmp_path, sources)
    assert row.part == "dev"


def test_whole_groups_are_held_out(tmp_path):
    write(
        tmp_path, "a", [{"text": f"text {i}", "label": 0, "blog": "xy"[i % 2]} for i in range(40)]
    )
    rows = dataset.read(tmp_path, [source("a", toxic, group="blog", held_out=("x",))])
    parts = {row.part for row in rows if int(row.text.split()[1]) % 2 == 0}
    assert parts == {"dev"}


def test_texts_of_one_template_fall_on_one_side(tmp_path):
    start = "I love this wonderful blog post number"
    rows = [{"text": f"{start} {i}", "label": 0} for i in range(20)]
    write(tmp_path, "a", rows)
    read = dataset.read(tmp_path, [source("a", toxic, dev_share=0.5)])
    assert len({row.part for row in read}) == 1


def test_one_template_fills_no_more_than_its_share_of_the_training_rows(tmp_path):
    start = "I love this wonderful blog post number"
    write(tmp_path, "a", [{"text": f"{start} {i}", "label": 0} for i in range(99)])
    assert len(dataset.read(tmp_path, [source("a", toxic)])) == dataset.GROUP_CAP


def test_every_source_has_a_licence_and_a_weight():
    assert all(source.licence and 0 < source.weight <= 3 for source in SOURCES)
    assert len({source.name for source in SOURCES}) == len(SOURCES)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_split_depends_on_the_seed_and_nothing_else(tiny_data, tiny_plan, seed):
    first, again = (dataset.read(tiny_data, tiny_plan.sources, seed=seed) for _ in range(2))
    assert [(e.text, e.part) for e in first] == [(e.text, e.part) for e in again]
