"""Damage to every kind of stored file, one file at a time: told, or computed again, never used.

In:  a folder of stored files, and what uses it: a function of the folder whose result can be
     compared, and which raises ``UndertoneError`` where it refuses.
Out: ``Finding``s of ``damaged``: what was done to which file, and what came of it; ``used`` are
     those in which the damage was used without a word.

For a folder of your own, a model, a run or a frame store::

    python tests/corruption.py model FOLDER recording.wav
    python tests/corruption.py run FOLDER
    python tests/corruption.py tables FOLDER --system NAME
    python tests/corruption.py store FOLDER --corpus NAME=PATH --features log_mel

Your folder is not touched: each damage is done to a copy of it.
"""

import argparse
import contextlib
import hashlib
import io
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

N_FLIPS = 12  # bits of a file that are tried, one at a time, spread over it
NOT_OURS = (".lock", ".partial", ".damaged", ".html", ".png", ".jsonl", "README.md")


@dataclass(frozen=True)
class Finding:
    """What came of one damage.

    Attributes:
        file: below the folder.
        damage: what was done.
        outcome: "refused" with a message, "traceback", "the same" result, or "USED".
        told: what was said, if anything.
    """

    file: str
    damage: str
    outcome: str
    told: str


def damages(content: bytes, others: list[bytes], seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """(What is done, the content afterwards): bits flipped, cut, emptied, another's content."""
    rng = np.random.default_rng(seed)
    if content:
        ends = [0, 1, len(content) // 2, len(content) - 1]
        for position in sorted({*ends, *rng.integers(0, len(content), N_FLIPS).tolist()}):
            bit = int(rng.integers(8))
            flipped = bytearray(content)
            flipped[position] ^= 1 << bit
            yield f"bit {bit} of byte {position} flipped", bytes(flipped)
        for share in (0.1, 0.5, 0.95):
            yield f"cut to {share:.0%}", content[: int(share * len(content))]
        yield "its last byte gone", content[:-1]
        yield "emptied", b""
        yield "filled with zeros", bytes(len(content))
    yield "made longer", content + b"\0 more"
    for i, other in enumerate(others):
        yield f"another's content in its place ({i})", other


def damaged(
    folder: Path,
    use: Callable[[Path], Any],
    *,
    files: Callable[[Path], bool] = lambda path: True,
    work: Path,
    share: int = 1,
) -> list[Finding]:
    """Damage each file of copies of a folder; see what ``use`` makes of it.

    Args:
        folder: whole; it stays as it is.
        use: a folder to a result that can be compared with ``==``.
        files: which of them are damaged.
        work: an empty folder for the copies.
        share: of files of one kind each gets every so-manieth damage, another one than its
            neighbours, so that so many of them get all.
    """
    paths = [path.relative_to(folder) for path in _stored(folder) if files(path)]
    expected, findings = use(_copy(folder, work)), []
    for number, path in enumerate(paths):
        content = (folder / path).read_bytes()
        others = [
            found
            for other in paths
            if other != path and other.suffix == path.suffix
            for found in [(folder / other).read_bytes()]
            if found != content
        ][:2]
        for turn, (what, changed) in enumerate(damages(content, others)):
            if changed == content or (turn + number) % share:
                continue
            copy = _copy(folder, work)
            (copy / path).write_bytes(changed)
            findings.append(_finding(path, what, lambda c=copy: use(c), expected))
    return findings


def used(findings: list[Finding]) -> list[Finding]:
    """Those in which damage was used, or met by no message."""
    return [finding for finding in findings if finding.outcome in ("USED", "traceback")]


def summary(findings: list[Finding]) -> str:
    """How often what came of files by their ending."""
    counts = Counter((Path(f.file).suffix or Path(f.file).name, f.outcome) for f in findings)
    return "\n".join(f"{kind:14} {what:9} {n}" for (kind, what), n in sorted(counts.items()))


def _finding(path: Path, what: str, use: Callable[[], Any], expected: Any) -> Finding:
    from undertone.errors import UndertoneError

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            result = use()
    except UndertoneError as error:
        return Finding(str(path), what, "refused", str(error))
    except Exception as error:
        return Finding(str(path), what, "traceback", f"{type(error).__name__}: {error}")
    outcome = "the same" if result == expected else "USED"
    return Finding(str(path), what, outcome, said.getvalue())


def _stored(folder: Path) -> list[Path]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in paths if not path.name.endswith(NOT_OURS)]


def _copy(folder: Path, work: Path) -> Path:
    """A fresh copy, at a path of its own: nothing is remembered of it."""
    for old in work.iterdir():
        shutil.rmtree(old)
    return Path(shutil.copytree(folder, Path(tempfile.mkdtemp(dir=work)) / folder.name))


# --- what uses a folder


def use_model(recording: Path) -> Callable[[Path], Any]:
    """Load and predict."""

    def use(folder: Path) -> Any:
        from undertone.features.store import extract_file
        from undertone.recogniser.folder import load

        recogniser = load(folder)
        frames, _ = extract_file(recording, recogniser.inputs.features)
        values = recogniser.predict(frames)
        return recogniser.task.outputs, recogniser.system, values.tobytes()

    return use


def use_run(cache: Path | None = None) -> Callable[[Path], Any]:
    """Go on with a run by its own settings, then compare what it left with itself."""

    def use(folder: Path) -> Any:
        from undertone import config
        from undertone.experiment import CurveSettings, curve
        from undertone.pipeline import Resources

        settings = config.load(CurveSettings, config.read_toml(folder / "config.toml"))
        curve(settings, folder, Resources(cache, workers=1, progress=False))
        return [_table(folder / name) for name in ("results.parquet", "predictions.parquet")]

    return use


def use_tables(system: str) -> Callable[[Path], Any]:
    """What ``compare`` reads of a finished run."""

    def use(folder: Path) -> Any:
        from undertone.evaluation.compare import compare, parse

        labels = [parse(f"a={folder}:{system}"), parse(f"b={folder}:constant")]
        return compare(labels).rows()

    return use


def use_store(corpus: str, features: str) -> Callable[[Path], Any]:
    """All frames of a corpus, from the store in the folder."""

    def use(folder: Path) -> Any:
        from undertone.reading import Resources, extract

        table = extract(corpus, features, Resources(folder, workers=1, progress=False))
        together = hashlib.sha256()
        for utterance in table.utterances:
            together.update(table.frames(utterance).tobytes())
        return table.utterances, together.hexdigest()

    return use


def _table(path: Path) -> str:
    import pandas as pd

    return pd.read_parquet(path).to_csv(index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["model", "run", "tables", "store"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("recording", type=Path, nargs="?", help="of a model")
    parser.add_argument("--system", default="descriptors", help="of tables")
    parser.add_argument("--corpus", help="of a store")
    parser.add_argument("--features", default="log_mel", help="of a store")
    given = parser.parse_args()
    use = {
        "model": lambda: use_model(given.recording),
        "run": use_run,
        "tables": lambda: use_tables(given.system),
        "store": lambda: use_store(given.corpus, given.features),
    }[given.kind]()
    with tempfile.TemporaryDirectory() as work:
        findings = damaged(given.folder, use, work=Path(work))
    print(summary(findings))
    for finding in used(findings):
        print(f"{finding.outcome}: {finding.file}: {finding.damage} {finding.told}")
    sys.exit(bool(used(findings)))


if __name__ == "__main__":
    main()
