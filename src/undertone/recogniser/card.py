"""The model card that travels with a model folder: data, licence, numbers, limits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import undertone
from undertone.corpora.corpus import Corpus
from undertone.errors import printable

SYNTHETIC = "> The voices this was trained on are **synthetic**: it knows nothing of real speech.\n"
MARKUP = re.compile(r"[\\`*\[\]<>|]|(?<!\w)_|_(?!\w)")  # what Markdown and HTML would obey
IN_WORDS = {  # metrics, for those who read a card and no papers
    "UAR": "UAR: the share of an emotion that is recognised (its recall), averaged over emotions.",
    "WA": "WA: the share of all utterances that is right.",
}
LIMITS = """\
* An emotion here is what the corpus calls so: acted corpora hold portrayals, and what their
  speakers portray is not what people feel.
* Another language, microphone, room or way of speaking can cost more than the interval above shows:
  the interval speaks of new speakers of the same corpus.
* The probabilities hold, if at all, for speech like that of the corpus.
* It is no basis for decisions about a single person.
"""


@dataclass(frozen=True)
class Facts:
    """What a card says beside the data.

    Attributes:
        title: first line.
        features: name of the extractor and its number of columns.
        method: sentences.
        headings: of the scores: this model, then the floors.
        scores: rows (what, this model, a cell a floor); empty where nothing was measured.
        measured: how the scores came about.
        audit: what the audit of the data found, sentences without their full stop.
        reliability: how far probabilities hold, in Markdown; empty where nothing was measured.
        silence: whether sets hold and how often it does not answer, likewise.
    """

    title: str
    features: str
    method: str
    headings: Sequence[str] = ()
    scores: Sequence[tuple[str, ...]] = ()
    measured: str = ""
    audit: Sequence[str] = ()
    reliability: str = ""
    silence: str = ""


def escaped(text: str) -> str:
    r"""Text out of files or tables as Markdown shows it: one line, no markup, no cell of its own.

    >>> print(escaped("a|b <i>*c* d_e _f_"))
    a\|b \<i\>\*c\* d_e \_f\_
    """
    return printable(MARKUP.sub(lambda match: f"\\{match[0]}", text))


def write_card(facts: Facts, corpora: Sequence[Corpus]) -> str:
    """Markdown text of a model card."""
    parts = [f"# {escaped(facts.title)}\n"]
    if any(corpus.synthetic for corpus in corpora):
        parts.append(SYNTHETIC)
    parts.append(f"{facts.method}\n\nFeatures: {escaped(facts.features)}.\n")
    parts.append("## Data\n\n" + "\n".join(map(_describe, corpora)) + "\n")
    if facts.audit:
        found = (f"* {escaped(what[:1].upper() + what[1:])}." for what in facts.audit)
        parts.append("## Audit\n\n" + "\n".join(found) + "\n")
    parts.append("## Scores\n\n" + _scores(facts) + "\n")
    if facts.reliability:
        parts.append(f"## Whether its probabilities hold\n\n{facts.reliability}\n")
    if facts.silence:
        parts.append(f"## When it is silent, and how sure it can be\n\n{facts.silence}\n")
    parts.append(f"## Limits\n\n{LIMITS}")
    parts.append(f"Made with Undertone {undertone.__version__}.\n")
    return "\n".join(parts)


def adapted_card(source: str, voice: str, n_recordings: int, remarks: Sequence[str] = ()) -> str:
    """The card of a model that was adapted to one voice.

    Args:
        source: card of the model that it was made from; empty where it has none.
        voice: to whose.
        n_recordings: that were heard.
        remarks: what must be said of them, sentences without their full stop.
    """
    said = "".join(f" {escaped(line[:1].upper() + line[1:])}." for line in remarks)
    text = (
        "## Adapted to one voice\n\n"
        f"This model is adapted to the voice of **{escaped(voice)}**: it heard "
        f"{n_recordings} recordings of it, without a label, and is for this voice alone. "
        "Whatever it is tested on of this voice, it has heard the voice before (transductive). The "
        "scores below are of the model before it was adapted, on voices that it had not heard; how "
        f"sure its probabilities are was found on such voices, too.{said}\n"
    )
    before, heading, after = source.partition("## Data\n")
    return f"{before}{text}\n{heading}{after}" if heading else f"{source}\n{text}"


def _describe(corpus: Corpus) -> str:
    n_speakers, unit = len(corpus.speakers), corpus.unit
    reasons = corpus.reasons().items()
    left_out = "".join(f" Left out: {n}, {escaped(reason)}." for reason, n in reasons)
    notes = "".join(f" {escaped(note)}" for note in corpus.notes)
    nobody = " It does not say who speaks: one person may be in several." * (unit != "speaker")
    size = f"{len(corpus)} utterances, {n_speakers} known {unit}s."
    return (
        f"* **{escaped(corpus.name)}**: {size}{nobody}{left_out}{notes} "
        f"Licence: {escaped(corpus.licence)}. {escaped(corpus.citation)}"
    )


def _scores(facts: Facts) -> str:
    if not facts.scores:
        return facts.measured
    headings = " | ".join(map(escaped, facts.headings))
    header = f"| | {headings} |\n|---{'|---' * len(facts.headings)}|\n"
    rows = "\n".join(f"| {escaped(name)} | {' | '.join(cells)} |" for name, *cells in facts.scores)
    named = {name for name, *_ in facts.scores}
    words = " ".join(said for name, said in IN_WORDS.items() if name in named)
    return f"{facts.measured}\n\n{header}{rows}" + (f"\n\n{words}" if words else "")
