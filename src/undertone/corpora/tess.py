"""TESS, the Toronto Emotional Speech Set: English, acted, two speakers, seven emotions.

In:  the user's copy: ``OAF_back_angry.wav``, 2,800 files anywhere below a folder, in any format.
Out: ``Corpus`` with the label columns emotion and sentence (the one word that differs).

The grammar of a file name: speaker (OAF, aged 64; YAF, aged 26), the word in "Say the word …", the
emotion (``ps`` is pleasant surprise). One file of the copies that go round is called
``OA_bite_neutral``, without its F. No folds were published; with two speakers there are two.
Source: Pichora-Fuller and Dupuis (2020), Toronto emotional speech set (TESS), Borealis.
"""

import re
from pathlib import Path

from undertone.corpora import grammar
from undertone.corpora.corpus import Corpus
from undertone.tasks.names import canonical_emotion

GRAMMAR = re.compile(
    r"(?P<speaker>OA|YA)F?_(?P<word>[a-z]+)_"
    r"(?P<emotion>angry|disgust|fear|happy|neutral|ps|pleasant_surprised?|sad)",
    re.IGNORECASE,
)


def read(path: Path) -> Corpus:
    """The corpus in a folder, or as much of it as is there."""
    root = Path(path)
    named = grammar.read(
        root,
        read_name,
        example="OAF_back_angry.wav",
        corpus="TESS",
        apart_by=("speaker", "emotion", "sentence"),
    )
    return Corpus(
        name="tess",
        root=root,
        table=named.table,
        licence="CC BY-NC-ND 4.0",
        citation="Pichora-Fuller and Dupuis (2020), Toronto emotional speech set (TESS), Borealis, "
        "doi:10.5683/SP2/E8H2MF.",
        left_out=named.left_out,
    )


def read_name(stem: str) -> dict[str, str | None] | None:
    """What a file name without ending tells; None where it is no name of TESS.

    >>> read_name("YAF_neat_ps")["emotion"], read_name("OA_bite_neutral")["speaker"]
    ('surprise', 'OAF')
    """
    match = GRAMMAR.fullmatch(stem)
    if match is None:
        return None
    word = match["word"].lower()
    return {
        "speaker": f"{match['speaker'].upper()}F",
        "sex": "female",
        "language": "eng",
        "transcript": f"Say the word {word}.",
        "emotion": canonical_emotion(match["emotion"]),
        "sentence": word,
    }
