"""What public encoders are known to have been trained on.

In:  the name of features, ``upstream:MODEL@LAYER``.
Out: ``KNOWN``: a short table with its sources; the finding where a corpus is among them.

Speech that an encoder has heard is not new to it: without labels the test is transductive, with
them the score is a lie. An encoder that is not in the table may have heard anything. Sources are
the papers and, for the weights, the model cards of their authors.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from undertone.corpora.audit.findings import Finding
from undertone.corpora.corpus import Corpus


@dataclass(frozen=True)
class Trained:
    """An encoder's training.

    Attributes:
        model: a pattern that its name or the name of its folder matches, in lower case.
        without_labels: corpora that it heard.
        with_labels: corpora whose emotions it was taught.
        source: where that is written.
    """

    model: str
    without_labels: tuple[str, ...]
    source: str
    with_labels: tuple[str, ...] = ()


ROBUST = ("libri-light", "common voice", "switchboard", "fisher")
KNOWN: tuple[Trained, ...] = (  # the first that matches counts
    Trained(r"emotion2vec.plus", ("unknown: 160 to 40,000 hours",), "FunASR model card"),
    Trained(
        r"emotion2vec",
        ("iemocap", "meld", "mead", "cmu-mosei", "msp-podcast"),
        "arXiv 2312.15185, from memory, unchecked",
    ),
    Trained(
        r"wav2vec2-large-robust.*(emotion-msp|msp-dim)",
        ROBUST,
        "arXiv 2203.07378",
        with_labels=("msp-podcast",),
    ),
    Trained(r"wav2vec2-large-robust", ROBUST, "arXiv 2104.01027"),
    Trained(r"wav2vec2-large-xlsr-53", ("common voice", "mls", "babel"), "arXiv 2006.13979"),
    Trained(
        r"wav2vec2-xls-r",
        ("voxpopuli", "mls", "common voice", "babel", "voxlingua107"),
        "arXiv 2111.09296",
    ),
    Trained(r"(wav2vec2|hubert|wavlm).*(superb|ks|er)\b", ("librispeech",), "arXiv 2105.01051"),
    Trained(r"wav2vec2-(base|large)(-960h)?$", ("librispeech",), "arXiv 2006.11477"),
    Trained(r"wav2vec2-large-lv60", ("libri-light",), "arXiv 2006.11477"),
    Trained(r"distilhubert", ("librispeech",), "arXiv 2110.01900"),
    Trained(r"hubert-base", ("librispeech",), "arXiv 2106.07447"),
    Trained(r"hubert-(large|xlarge)", ("libri-light",), "arXiv 2106.07447"),
    Trained(r"wavlm-base$", ("librispeech",), "arXiv 2110.13900"),
    Trained(r"wavlm", ("libri-light", "gigaspeech", "voxpopuli"), "arXiv 2110.13900"),
    Trained(r"data2vec-audio", ("librispeech",), "arXiv 2202.03555"),
    Trained(r"whisper", ("unknown: 680,000 hours of the web, or more",), "arXiv 2212.04356"),
)
UNKNOWN = "unknown"


def training_of(features: str) -> Trained | None:
    """The training of the encoder that features come from; None where it is not known."""
    if not features.startswith("upstream:"):
        return None
    model = features.removeprefix("upstream:").rsplit("@", 1)[0].rstrip("/").split("/")[-1].lower()
    return next((known for known in KNOWN if re.search(known.model, model)), None)


def heard(corpus: Corpus, features: str) -> Iterator[Finding]:
    """Whether an encoder has heard the corpus, or been taught its labels."""
    if corpus.members:
        found = [finding for m in corpus.members for finding in heard(m.corpus, features)]
        yield from {finding.what: finding for finding in found}.values()
        return
    known = training_of(features)
    if known is None:
        if features.startswith("upstream:"):
            yield Finding(
                "encoder", f"nothing is known here of what the encoder of {features} was trained on"
            )
        return
    rows = tuple(
        (name, how, known.source)
        for how, names in (("audio", known.without_labels), ("labels", known.with_labels))
        for name in names
    )
    taught, knows = _among(corpus, known.with_labels), _among(corpus, known.without_labels)
    if taught:
        what = f"the encoder was taught the labels of {corpus.name}: a score on them is a lie"
    elif knows:
        what = f"the encoder has heard the audio of {corpus.name}: its voices are not new to it"
    elif any(name.startswith(UNKNOWN) for name in known.without_labels):
        what = f"the encoder's training data are not published: {corpus.name} may be among them"
    else:
        what = f"the encoder is known not to have heard {corpus.name}"
    yield Finding("encoder", what, taught, ("trained on", "what", "source"), rows)


def _among(corpus: Corpus, names: tuple[str, ...]) -> bool:
    own = _letters(corpus.name)
    return any(own and (own.startswith(_letters(name)) or _letters(name) == own) for name in names)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().removeprefix("cmu"))
