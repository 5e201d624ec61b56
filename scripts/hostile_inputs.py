"""Hostile inputs, by kind: what is made of each, as a table.

In:  nothing; every input is made here, in a folder that is deleted.
Out: a row a kind: inputs, read as meant, refused or left out with a message, and what is neither;
     exit status 1 if there is any of the last.

    python scripts/hostile_inputs.py
"""

import json
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from undertone import audio, config, corpora
from undertone.corpora.names import fold
from undertone.corpora.times import seconds
from undertone.errors import UndertoneError
from undertone.evaluation.score import score

EMOTIONS = ("anger", "happiness", "neutral", "sadness")
LISTED = [(f"{i}.wav", f"s{i // 4}", EMOTIONS[i % 4]) for i in range(8)]
HEAD, ROWS = "file,speaker,emotion", "\n".join(",".join(row) for row in LISTED)
DEEP = "[" * 100_000
READ, REFUSED = "read as meant", "refused with a message"
Case = tuple[str, str, Callable[[], Any]]  # kind, what is right, what is done


def cases(home: Path) -> Iterator[Case]:
    """Every input with what is right for it."""
    yield from _tables(home)
    yield from _times()
    yield from _names()
    yield from _sounds(home)
    yield from _predictions(home)
    yield from _settings()


def _tables(home: Path) -> Iterator[Case]:
    text = f"{HEAD}\n{ROWS}"
    records = [dict(zip(HEAD.split(","), row, strict=True)) for row in LISTED]
    lines = "\n".join(map(json.dumps, records))
    good = {
        "utf16.csv": text.encode("utf-16"),
        "mark.csv": text.encode("utf-8-sig"),
        "cr.csv": text.replace("\n", "\r").encode(),
        "blank.csv": f"\n\n{text}\n\n".encode(),
        "semicolon.csv": text.replace(",", ";").encode(),
        "sep.csv": f"sep=;\n{text.replace(',', ';')}".encode(),
        "comment.csv": f"# made by hand\n{text}".encode(),
        "tabs.csv": text.replace(",", "\t").encode(),
        "bar.csv": text.replace(",", "|").encode(),
        "commas.csv": text.replace("\n", ",\n").encode() + b",",
        "spaces.csv": text.replace(",", " , ").encode(),
        "quote.tsv": text.replace(",", "\t").replace("s0", '"s0', 1).encode(),
        "records.jsonl": lines.encode(),
        "records.json": json.dumps(records).encode(),
    }
    bad = {
        "empty.csv": b"",
        "heading.csv": HEAD.encode(),
        "twice.csv": f"{text}\n{ROWS}".encode(),
        "columns.csv": f"{HEAD},emotion\n".encode(),
        "ragged.csv": f"{text}\n0.wav,s0,anger,more,more\n".encode(),
        "wide.csv": b"," * 1_000_000,
        "cut.jsonl": lines[:-5].encode(),
        "list.jsonl": f"{lines}\n[1]\n".encode(),
        "no.parquet": b"PAR1 no PAR1",
        "no.xlsx": b"PK\3\4 no",
        "samples.csv": b"file,start_sample,end_sample,speaker,emotion\n0.wav,1,2,s0,anger\n",
        **{f"deep.{ending}": DEEP.encode() for ending in ("csv", "json", "jsonl")},
        **{f"bytes.{e}": b"\x80\xff\0" * 300 for e in ("csv", "tsv", "json", "parquet", "xlsx")},
    }
    for right, contents in ((READ, good), (REFUSED, bad)):
        for name, content in contents.items():
            (home / name).write_bytes(content)
            yield "tables", right, lambda path=home / name: _is_whole(path)


def _is_whole(path: Path) -> None:
    table = corpora.open(str(path)).table
    assert len(table) == len(LISTED), f"{len(table)} utterances"
    assert set(table["emotion"]) == set(EMOTIONS)


def _times() -> Iterator[Case]:
    for text in ("1.5", "1,5", "1.5 s", "1500 ms", "00:00:01,500", "0:01.5", "0 days 00:00:01.5"):
        yield "times", READ, lambda text=text: _is(seconds(text), 1.5)
    for text in ("1 000", "1'000", "1.000,5", "1..5", "inf", "1e308", "0:0:61", "PT1S", "=1+1", ""):
        yield "times", REFUSED, lambda text=text: seconds(text)


def _is(found: float, right: float) -> None:
    assert found == right, found


def _names() -> Iterator[Case]:
    pairs = (
        *(("03", "3"), ("03", "3.0"), ("Anna", " anna "), ("zo\u00eb", "zoe\u0308")),
        *(("M\u00fcller", "M\u00dcLLER"), ("\uff21\uff11", "A1"), ("stra\u00dfe", "STRASSE")),
        *(("s_1", "s-1"), ("s 1", "s1"), ("s\u200b1", "s1"), ("\ufeffs1", "S01")),
    )
    for one, other in pairs:
        yield "names", READ, lambda one=one, other=other: _same(one, other)


def _same(one: str, other: str) -> None:
    assert fold(one) == fold(other), (one, other)


def _wav(body: bytes, told: int | None = None, **changed: int) -> bytes:
    told = len(body) if told is None else told
    n = {"codec": 1, "channels": 1, "rate": 16_000, "bits": 16} | changed
    form = struct.pack("<HHIIHH", n["codec"], n["channels"], n["rate"], 32_000, 2, n["bits"])
    size = min(told + 36, 2**32 - 1)
    return (
        b"RIFF"
        + struct.pack("<I", size)
        + b"WAVEfmt \x10\0\0\0"
        + form
        + b"data"
        + struct.pack("<I", told)
        + body
    )


def _sounds(home: Path) -> Iterator[Case]:
    noise = 0.1 * np.random.default_rng(0).normal(size=24_000)
    x = (32_767 * noise).astype("<i2").tobytes()
    floats = {"nan": np.nan, "inf": np.inf, "1e30": 1e30}
    good = {
        "whole": _wav(x),
        "no length": _wav(x, 0),
        "of a stream": _wav(x, 2**32 - 1),
        "44 too many": _wav(x, len(x) + 44),
        "one byte short": _wav(x[:-1], len(x)),
        "with a tail": _wav(x) + b"LIST\4\0\0\0abcd",
    }
    bad = {
        "half": _wav(x[: len(x) // 2], len(x)),
        "more than told": _wav(x, len(x) // 2),
        "no samples": _wav(b""),
        "zeros": _wav(bytes(len(x))),
        "short": _wav(x[:2]),
        "rate 0": _wav(x, rate=0),
        "rate 4e9": _wav(x, rate=2**32 - 1),
        "no channel": _wav(x, channels=0),
        "65,535 channels": _wav(x, channels=65_535),
        "0 bits": _wav(x, bits=0),
        "codec": _wav(x, codec=0x1234),
        "text": b"hello",
        "page": b"<!doctype html><title>404</title>",
        "empty": b"",
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        **{
            name: _wav((noise * value).astype("<f4").tobytes(), codec=3, bits=32)
            for name, value in floats.items()
        },
    }
    for right, contents in ((READ, good), (REFUSED, bad)):
        for name, content in contents.items():
            path = home / f"{name}.wav"
            path.write_bytes(content)
            yield "sounds", right, lambda path=path: _lasts(path, 1.5)
    for ending in ("flac", "ogg", "aiff", "caf", "au", "w64", "mp3"):
        whole, half = home / f"whole.{ending}", home / f"half.{ending}"
        soundfile.write(whole, noise, 16_000)
        half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        yield "sounds", READ, lambda path=whole: _lasts(path, 1.5)
        yield "sounds", REFUSED, lambda path=half: audio.read(path)


def _lasts(path: Path, right: float) -> None:
    found = len(audio.read(path)) / audio.SAMPLE_RATE
    assert abs(found - right) < 0.1, found


def _predictions(home: Path) -> Iterator[Case]:
    truth = home / "truth.csv"
    truth.write_text(f"{HEAD}\n{ROWS}")
    said, shares = "file,emotion\n", "file," + ",".join(f"p_{e}" for e in EMOTIONS) + "\n"
    right = said + "\n".join(f"{file},{emotion}" for file, _, emotion in LISTED)
    lines = "\n".join(json.dumps({"file": f, "emotion": e}) for f, _, e in LISTED)
    yield "predictions", READ, lambda: _scores(truth, "p.csv", right)
    yield "predictions", READ, lambda: _scores(truth, "p.jsonl", lines)
    cells = ("nan,nan,nan,nan", "0,0,0,0", "inf,0,0,0", "-1,2,0,0", "97,1,1,1", "x,0,0,1", ",,,")
    bad = [shares + "\n".join(f"{file},{four}" for file, *_ in LISTED) for four in cells]
    bad += ["", said, right.replace("anger", ""), right.replace("anger", "Wut")]
    bad += [right + "\n0.wav,anger", right[:-40]]
    for text in bad:
        yield "predictions", REFUSED, lambda text=text: _scores(truth, "p.csv", text)
    for text in (DEEP, "[1]", '{"file": "0.wav", "p_anger": NaN}'):
        yield "predictions", REFUSED, lambda text=text: _scores(truth, "p.jsonl", text)


def _scores(truth: Path, name: str, text: str) -> None:
    path = truth.with_name(name)
    path.write_text(text)
    score(truth=truth, prediction=path)


def _settings() -> Iterator[Case]:
    from undertone.pipeline import FinetuneSettings

    for text in ("x", "=1", "a.b=1", "seed=-1", "seed=1.5", "seed=", "folds=x", f"seed={DEEP}"):
        yield (
            "settings",
            REFUSED,
            lambda text=text: config.load(FinetuneSettings, config.override({}, [text])),
        )


def outcome(right: str, do: Callable[[], Any]) -> str:
    """What came of an input; anything that is not right in words."""
    try:
        do()
    except UndertoneError as error:
        return REFUSED if right == REFUSED else f"refused: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return READ if right == READ else "used"


def main() -> None:
    """Print the table."""
    found: Counter[tuple[str, str]] = Counter()
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for file, *_ in LISTED:
            soundfile.write(home / file, 0.1 * np.random.default_rng(1).normal(size=8_000), 16_000)
        for number, (kind, right, do) in enumerate(cases(home)):
            came = outcome(right, do)
            found[kind, came if came == right else "neither"] += 1
            if came != right:
                wrong.append(f"{kind}, input {number}: {came:.200}")
    print(f"{'kind':12} {'inputs':>6} {READ:>14} {REFUSED:>23} {'neither':>8}")
    for kind in dict.fromkeys(kind for kind, _ in found):
        n = [found[kind, what] for what in (READ, REFUSED, "neither")]
        print(f"{kind:12} {sum(n):6} {n[0]:14} {n[1]:23} {n[2]:8}")
    print(*wrong, sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
