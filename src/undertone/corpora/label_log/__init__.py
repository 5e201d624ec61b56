"""A log of labels that people gave while they listened: its lines, and the corpus it makes."""

from undertone.corpora.label_log.log import Label, Log, is_log, load
from undertone.corpora.label_log.reader import read

__all__ = ["Label", "Log", "is_log", "load", "read"]
