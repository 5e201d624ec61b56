"""What trains the system that a run recommends, as a command that can be pasted.

In:  the settings of a run, its systems.
Out: the command by the name of a system; none of rows that no model folder can hold.

It names what the run was asked for: corpora, task, features, words, a teacher, more speech.
Settings of systems that were changed stand in ``config.toml`` beside the report.
"""

from collections.abc import Iterable, Iterator
from shlex import quote

from undertone.corpora.disjoint import SPEAKER
from undertone.experiment.settings import CurveSettings
from undertone.systems.system import System
from undertone.tasks import Classes

MODEL, ENCODER = "models/mine", "encoders/mine"


def commands(settings: CurveSettings, systems: Iterable[System]) -> dict[str, str]:
    """By name of the system; none where every corpus is tested in turn: there is no one model."""
    if settings.across.each:
        return {}
    return {row.name: _command(settings, row) for row in systems if not row.stands_alone}


def _command(settings: CurveSettings, row: System) -> str:
    """Where it starts from a pre-trained encoder, what trains that comes first."""
    features = f"--features {quote(settings.features)}"
    finetune = ["undertone finetune", *_asked(settings, row), f"--system {row.name}"]
    if not row.pretrains:
        return " ".join([*finetune, features, f"--out {MODEL}"])
    speech = settings.unlabelled or (settings.corpus, *settings.across.beside)
    pretrain = ["undertone pretrain", *(f"--unlabelled {quote(name)}" for name in speech), features]
    return " ".join(
        [*pretrain, f"--out {ENCODER}", "&&", *finetune, f"--encoder {ENCODER}", f"--out {MODEL}"]
    )


def _asked(settings: CurveSettings, row: System) -> Iterator[str]:
    """Options of ``finetune`` that say what the run was asked for."""
    for option, names in (
        ("--corpus", (settings.corpus, *settings.across.beside)),
        ("--test-corpus", settings.across.test),
        ("--unlabelled", settings.unlabelled),
        ("--task", [settings.task] if settings.task != Classes.name else []),
        ("--proxy", [settings.proxy]),
        ("--text", [settings.text.model] if row.reads_words else []),
        ("--transcripts", [settings.text.transcripts] if row.reads_words else []),
        ("--text-prior", [settings.text.prior] if row.reads_words else []),
        ("--vault", [settings.vault]),
        ("--folds", [str(settings.folds)] if settings.folds != CurveSettings.folds else []),
        ("--disjoint", [",".join(settings.disjoint)] if settings.disjoint != (SPEAKER,) else []),
        ("--allow", settings.allow),
    ):
        yield from (f"{option} {quote(name)}" for name in names if name)
    if row.needs_teacher:
        yield f"--set {quote(f'taught.teacher={settings.teacher}')}"
