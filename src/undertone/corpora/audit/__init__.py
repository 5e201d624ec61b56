"""What a careful colleague would say of the data before anything is trained.

In:  a corpus, what its recordings hold, unlabelled corpora, folds.
Out: ``Finding`` after finding: ``checks`` by tables and bytes alone, which every run makes; by ear,
     ``listening`` and ``fingerprints``, which ``undertone audit`` adds. ``split`` compares the two
     sides of a split.
"""

from undertone.corpora.audit.checks import check, left_out_of_copies, refuse
from undertone.corpora.audit.findings import ALLOWED, Finding
from undertone.corpora.audit.split import Audit, audit, audit_fold

__all__ = [
    "ALLOWED",
    "Audit",
    "Finding",
    "audit",
    "audit_fold",
    "check",
    "left_out_of_copies",
    "refuse",
]
