"""RAVDESS, the Ryerson Audio-Visual Database: English, acted, 24 speakers, two sentences.

In:  a folder with its audio (``Actor_01/03-01-06-01-02-01-12.wav``, or all files in one folder).
Out: ``Corpus`` of the 1440 spoken utterances, with the label columns emotion, sentence ("01") and
     intensity ("normal" or "strong"). Songs and the sound of videos are left out, with the reason.

The grammar of a file name: modality (01 audio and video, 02 video, 03 audio) - channel (01 speech,
02 song) - emotion - intensity - sentence - repetition - actor (odd numbers are men).
Source: Livingstone and Russo (2018), PLoS ONE 13(5), e0196391.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from undertone.corpora import grammar
from undertone.corpora.corpus import Corpus

GRAMMAR = re.compile(
    r"(?P<modality>0[1-3])-(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])-"
    r"(?P<sentence>0[12])-(?P<repetition>0[12])-(?P<speaker>0[1-9]|1\d|2[0-4])"
)
EMOTIONS: Mapping[str, str] = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
INTENSITIES: Mapping[str, str] = {"01": "normal", "02": "strong"}
SENTENCES: Mapping[str, str] = {
    "01": "Kids are talking by the door.",
    "02": "Dogs are sitting by the door.",
}


def read(path: Path, *, with_songs: bool = False) -> Corpus:
    """The spoken utterances in a folder, and the sung ones too if these are asked for."""
    named = grammar.read(
        Path(path),
        read_name,
        corpus="RAVDESS",
        example="03-01-06-01-02-01-12.wav",
        refuse=lambda path: (_refuse_video if with_songs else _refuse)(path.stem),
    )
    return Corpus(
        name="ravdess",
        root=Path(path),
        table=named.table,
        licence="CC BY-NC-SA 4.0",
        citation="Livingstone and Russo (2018), PLoS ONE 13(5), e0196391.",
        left_out=named.left_out,
    )


def read_name(stem: str) -> dict[str, str | None] | None:
    """What a file name without ending tells; None where it is no name of RAVDESS.

    >>> read_name("03-01-06-01-02-01-12")["emotion"], read_name("03-01-06-01-02-01-12")["sex"]
    ('fear', 'female')
    """
    match = GRAMMAR.fullmatch(stem)
    if match is None:
        return None
    return {
        "speaker": match["speaker"],
        "sex": "male" if int(match["speaker"]) % 2 else "female",
        "language": "eng",
        "transcript": SENTENCES[match["sentence"]],
        "emotion": EMOTIONS[match["emotion"]],
        "sentence": match["sentence"],
        "intensity": INTENSITIES[match["intensity"]],
    }


def _refuse(stem: str) -> str | None:
    return _refuse_video(stem) or ("a song" if stem.split("-")[1] == "02" else None)


def _refuse_video(stem: str) -> str | None:
    return None if stem.startswith("03-") else "the sound of a video"
