"""The optional second stage: a small sentence encoder beside the linear model.

It reads sentences where the first stage counts words, costs a hundred times as much, and needs
``winnow[semantic]``. ``load`` opens it, ``Encoder.margins`` scores, ``Encoder.combine`` averages
it with the first stage. Nothing heavy is imported before ``load`` is called.
"""

from classifier.semantic.artifact import default_folder
from classifier.semantic.encoder import Encoder, load, log_odds, logistic, missing_packages

__all__ = ["Encoder", "default_folder", "load", "log_odds", "logistic", "missing_packages"]
