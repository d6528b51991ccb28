"""Heads: one table of weights each, for the labels and the language it was trained on."""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from classifier.features import Shape
from classifier.labels import column
from classifier.vocabulary import Table

Floats = NDArray[np.float32]


class HeadRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A head as the manifest describes it; one value a label in each list.

    Margin of a passage = ``bias`` + sum of ``scale`` * weights of the distinct n-grams of its
    tokens / root of their number. Margin of a text = the larger of (1 - ``mix``) * whole +
    ``mix`` * strongest window, and strongest window - ``penalty``.
    Score = 1 / (1 + exp(-(``slope`` * margin + ``offset``))).
    """

    language: str
    labels: list[str]
    char_bits: int
    word_bits: int
    scale: list[float]
    bias: list[float]
    mix: list[float]
    penalty: list[float]
    slope: list[float]
    offset: list[float]

    @property
    def shape(self) -> Shape:
        """Sizes of the head's tables."""
        return Shape(self.char_bits, self.word_bits)


@dataclass(frozen=True, slots=True)
class Head:
    """A head ready to score: its record as arrays, and its weights."""

    language: str
    columns: NDArray[np.intp]
    places: dict[int, int]
    """A label's column → its place in this head's arrays."""
    table: Table
    bias: Floats
    mix: Floats
    penalty: Floats
    slope: Floats
    offset: Floats


def head(record: HeadRecord, weights: NDArray[np.int16]) -> Head:
    """The head of a record with its weights (rows, labels)."""
    columns = [column(label) for label in record.labels]
    return Head(
        language=record.language,
        columns=np.array(columns, np.intp),
        places={column: place for place, column in enumerate(columns)},
        table=Table(weights, np.array(record.scale, np.float32), record.shape),
        bias=np.array(record.bias, np.float32),
        mix=np.array(record.mix, np.float32),
        penalty=np.array(record.penalty, np.float32),
        slope=np.array(record.slope, np.float32),
        offset=np.array(record.offset, np.float32),
    )


def log_odds(found: Head, margins: Floats) -> Floats:
    """Calibrated log-odds of a head's margins (Platt 1999)."""
    calibrated: Floats = margins * found.slope + found.offset
    return calibrated
