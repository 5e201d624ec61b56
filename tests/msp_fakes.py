"""MSP-Podcast in the exact layouts of its releases, with a second of noise for each utterance."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from corpora_fakes import write_audio

HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"
WORDS = {"A": "Angry", "S": "Sad", "H": "Happy", "N": "Neutral", "O": "Other-tired", "X": "Fear"}


@dataclass(frozen=True)
class Said:
    """What is told of one utterance; no amounts where labels are withheld."""

    file: str
    letter: str
    amounts: tuple[float, float, float] | None  # arousal, valence, dominance
    speaker: str  # or Unknown
    split: str

    @property
    def sex(self) -> str:
        if self.speaker == "Unknown":
            return "Unknown"
        return ("Female", "Male")[int(self.speaker) % 2]


def utterances(n_speakers: int = 12, n_each: int = 4) -> list[Said]:
    """Two thirds of the speakers train; the others develop, are tested twice, or in secret.

    Of every eighth utterance the speaker is unknown; classes and amounts differ.
    """
    rng, told = np.random.default_rng(5), []
    parts = ("Train",) * 8 + ("Development", "Test1", "Test2", "Test3")
    for i in range(n_speakers * n_each):
        speaker, part = str(100 + i // n_each), parts[(i // n_each) % len(parts)]
        amounts = tuple(float(x) for x in rng.integers(5, 36, 3) / 5)
        told.append(
            Said(
                f"MSP-PODCAST_{i // n_each:04d}_{i:04d}.wav",
                "" if part == "Test3" else "ANHSXO"[i % 6],
                None if part == "Test3" else amounts,
                "Unknown" if i % 8 == 3 else speaker,
                part,
            )
        )
    return told


def with_part(told: list[Said], file: str, /, **changes: object) -> list[Said]:
    """The same with something else said of one file."""
    return [replace(said, **changes) if said.file == file else said for said in told]


def write_consensus(path: Path, told: list[Said], header: str = HEADER) -> None:
    """The newer table, its columns in the order of the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [header]
    for said in told:
        arousal, valence, dominance = map(str, said.amounts or ("", "", ""))
        cells = {
            "FileName": said.file,
            "EmoClass": said.letter,
            "EmoAct": arousal,
            "EmoVal": valence,
            "EmoDom": dominance,
            "SpkrID": said.speaker,
            "Gender": said.sex,
            "Split_Set": said.split,
        }
        lines.append(",".join(cells[name] for name in header.split(",")))
    path.write_text("\n".join(lines) + "\n")


def workers(said: Said) -> list[tuple[str, str, tuple[float, float, float]]]:
    """Three raters of an utterance: two agree with the class, the third heard something else."""
    if said.amounts is None:
        return []
    own = WORDS[said.letter]
    return [
        (f"WORKER000000{r}", "Sad" if r == 2 else own, tuple(min(7, 1 + r + k) for k in range(3)))
        for r in range(3)
    ]


def write_lists(root: Path, told: list[Said]) -> None:
    """The older lists; spaces vary in them."""
    (root / "Labels").mkdir(parents=True, exist_ok=True)
    lines = []
    for said in told:
        numbers = said.amounts or ("", "", "")
        shown = "; ".join(
            f"{name}:{number:.6f}" if number != "" else f"{name}:"
            for name, number in zip("AVD", numbers, strict=True)
        )
        lines += [f"{said.file}; {said.letter}; {shown};"]
        for name, word, (arousal, valence, dominance) in workers(said):
            lines.append(
                f"{name}; {word}; {word},Confused; A:{arousal:.6f}; V:{valence:.6f}; "
                f"D:{dominance:.6f};"
            )
        lines.append("")
    (root / "Labels/labels.txt").write_text("\n".join(lines))
    parts = [f"{said.split}; {said.file}" for said in told]
    (root / "Partitions.txt").write_text("\n".join(parts) + "\n\n")
    known = [said for said in told if said.speaker != "Unknown"]
    people = [f"Speaker_{who}; {('Female', 'Male')[int(who) % 2]}" for who in speakers(known)]
    people += [f"{said.file};{' ' * (int(said.speaker) % 2)}{said.speaker}" for said in known]
    (root / "Speaker_ids.txt").write_text("\n".join(people) + "\n")


def write_details(path: Path, told: list[Said], kind: str = "json") -> None:
    """What each rater said, as a table of its own in one of its three shapes."""
    rows = [(said.file, *worker) for said in told for worker in workers(said)]
    if kind == "json":
        content: dict[str, dict] = {}
        for file, name, word, (arousal, valence, dominance) in rows:
            said = {"EmoClass_Major": word, "EmoClass_Second": f"{word},Confused"}
            said |= {"EmoAct": arousal, "EmoDom": dominance, "EmoVal": valence}
            content.setdefault(file, {})[name] = said
        path.write_text(json.dumps(content))
        return
    lines = ["FileName,Workers,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,EmoDom"]
    if kind == "detail":
        lines = ["FileName,EmoDetail"]
    for file, name, word, (a, v, d) in rows:
        lines.append(
            f'{file},"{name}; {word}; {word},Confused; A:{a:.6f}; V:{v:.6f}; D:{d:.6f};"'
            if kind == "detail"
            else f'{file},{name},{word},"{word},Confused",{a},{v},{d}'
        )
    path.write_text("\n".join(lines) + "\n")


def write_audios(root: Path, told: list[Said], folder: str = "Audios") -> None:
    write_audio(root / folder, *(said.file for said in told))


def write_stereo(path: Path) -> None:
    """As one recording of a real release is."""
    rng = np.random.default_rng(0)
    soundfile.write(path, rng.normal(0, 0.1, (44_100, 2)), 44_100)


def speakers(told: list[Said]) -> list[str]:
    return sorted({said.speaker for said in told})
