"""The single steps, one function each: settings from the options, one stage, what it found."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from undertone.cli import options, printing
from undertone.cli.app import app
from undertone.cli.options import (
    Allow,
    AnswerAnyway,
    Cache,
    Cluster,
    Config,
    Coverage,
    Device,
    Disjoint,
    Folds,
    MinProbability,
    Proxy,
    Quiet,
    SameSpeakers,
    Seed,
    Set,
    Task,
    TestCorpus,
    Text,
    TextPrior,
    Transcripts,
    Unlabelled,
    Vault,
    Verify,
    Workers,
)
from undertone.config import load
from undertone.errors import UndertoneError

if TYPE_CHECKING:
    pass


@app.command()
def extract(
    *,
    audio: Annotated[list[Path] | None, typer.Argument(help="Recordings.")] = None,
    corpus: Annotated[list[str] | None, typer.Option(help="Corpus, NAME=PATH.")] = None,
    features: Annotated[str, typer.Option(help="Name of the frame extractor.")] = "log_mel",
    as_csv: Annotated[bool, typer.Option("--csv", help="Frames to standard output.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="File of all frames: .parquet, .npz or .csd.")
    ] = None,
    form: Annotated[
        Literal["parquet", "npz", "csd"] | None,
        typer.Option("--format", help="Of --out, where its ending does not say."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --out.")
    ] = False,
    frames: Annotated[
        bool, typer.Option("--frames", help="Keep every frame of all layers of an encoder.")
    ] = False,
    verify: Verify = False,
    workers: Workers = None,
    device: Device = None,
    cluster: Cluster = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """Waveforms to frames: into the frame store, into one file, or one recording as CSV."""
    from undertone.device import using
    from undertone.pipeline import Resources, extract_corpora, extract_to

    resources = Resources(cache, workers, not quiet, verify=verify, device=device or "")
    _check_extract(audio or [], corpus or [], as_csv=as_csv, to_file=out is not None)
    if frames and (audio or out is not None):
        raise UndertoneError(
            "--frames says what the frame store keeps of --corpus; --csv and --out write every "
            "frame anyway: leave --frames out"
        )
    if out is not None:
        given = audio or (corpus or [])[0]
        for line in extract_to(out, given, features, resources, form=form, overwrite=overwrite):
            printing.say(line)
        return
    if form or overwrite:
        raise UndertoneError("--format and --overwrite are of --out FILE, which is missing")
    if audio and (frames or verify):
        raise UndertoneError(
            "--frames and --verify are of the frame store, which --csv does not use"
        )
    if audio:
        with using(resources.device):
            printing.print_frames(audio[0], features)
        return
    for line in extract_corpora(corpus or [], features, resources, every_frame=frames):
        printing.say(line)


def _check_extract(audio: list[Path], corpus: list[str], *, as_csv: bool, to_file: bool) -> None:
    """Refuse what cannot be written where it is asked for."""
    if bool(audio) == bool(corpus):
        raise UndertoneError(
            "extract takes either recordings, with --csv or --out FILE, or --corpus NAME=PATH"
        )
    if to_file and (as_csv or len(corpus) > 1):
        raise UndertoneError("--out writes one corpus, or recordings: leave the rest out")
    if audio and not to_file and (not as_csv or len(audio) > 1):
        raise UndertoneError(
            "extract prints the frames of one recording with --csv; of many it writes them with "
            "--out FILE; for a corpus give --corpus"
        )


@app.command()
def pretrain(
    *,
    unlabelled: Annotated[list[str], typer.Option(help="Corpus without labels; repeatable.")],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the encoder, or an address.", parser=options.place, metavar="PATH"
        ),
    ],
    features: Annotated[str | None, typer.Option(help="Name of the frame extractor.")] = None,
    config: Config = None,
    assignments: Set = None,
    seed: Seed = None,
    processes: Annotated[int, typer.Option(min=1, help="That train the network together.")] = 1,
    workers: Workers = None,
    device: Device = None,
    cluster: Cluster = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """Unlabelled speech to a pre-trained encoder; a stopped run goes on where it was."""
    from undertone.pipeline import PretrainSettings, Resources
    from undertone.pipeline import pretrain as run
    from undertone.training.together import leads

    values = options.settings_of(config, {"features": features, "seed": seed}, assignments)
    settings = load(PretrainSettings, values)
    resources = Resources(cache, workers, not quiet, device=device or "", processes=processes)
    notes = run(unlabelled, out, settings, resources).notes
    if not leads():  # of several processes one tells
        return
    loss, epoch = notes["held_out_loss"], notes["epoch"]
    printing.say(f"encoder in {out}: held-out loss {loss:.4f}, epoch {epoch}")
    printing.print_references(notes["measured"])


@app.command()
def finetune(
    *,
    corpus: Annotated[
        list[str],
        typer.Option(help="Labelled corpus, NAME=PATH; several where others are tested."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the model.")],
    test_corpus: TestCorpus = None,
    same_speakers: SameSpeakers = False,
    unlabelled: Unlabelled = None,
    encoder: Annotated[
        Path | None,
        typer.Option(
            help="Folder that pretrain wrote, or its address.",
            parser=options.place,
            metavar="PATH",
        ),
    ] = None,
    labels: Annotated[
        int | None, typer.Option(min=2, help="Use only this many labels.", show_default="all")
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(
            help="One of those that a curve compares.", show_default="one for the features"
        ),
    ] = None,
    task: Task = None,
    proxy: Proxy = None,
    features: Annotated[
        str | None, typer.Option(help="Extractor, without an encoder.", show_default="log_mel")
    ] = None,
    folds: Folds = None,
    text: Text = None,
    transcripts: Transcripts = None,
    text_prior: TextPrior = None,
    disjoint: Disjoint = None,
    vault: Vault = None,
    allow: Allow = None,
    config: Config = None,
    assignments: Set = None,
    seed: Seed = None,
    workers: Workers = None,
    device: Device = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """Labelled speech to a model folder, with its score on speakers it did not know."""
    from undertone.pipeline import FinetuneSettings, Resources
    from undertone.pipeline import finetune as run

    given = {
        "system": system,
        "task": task,
        "proxy": proxy,
        "labels": labels,
        "features": features,
        "folds": folds,
        "across": options.across_of(corpus, test_corpus, one_person=same_speakers),
        "text": options.text_of(text, transcripts=transcripts, prior=text_prior),
        "disjoint": options.names_of(disjoint),
        "vault": None if vault is None else str(vault),
        "allow": allow,
        "seed": seed,
    }
    settings = load(FinetuneSettings, options.settings_of(config, given, assignments))
    resources = Resources(cache, workers, not quiet, device=device or "")
    _, measured = run(
        corpus[0],
        out,
        encoder=encoder,
        unlabelled=unlabelled or (),
        settings=settings,
        resources=resources,
    )
    if measured is not None:
        printing.print_score(measured)
    printing.say(f"model in {out}")


@app.command()
def predict(
    names: Annotated[
        list[Path] | None,
        typer.Argument(help="Model folder (else the starter model), then recordings or folders."),
    ] = None,
    *,
    model: Annotated[
        Path | None, typer.Option(help="Model folder; every name is a recording then.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Look into folders inside of folders.")
    ] = False,
    files_from: Annotated[
        str | None, typer.Option(help="List of recordings, one a line; - is standard input.")
    ] = None,
    segments: Annotated[
        Path | None, typer.Option(help="Table of segments: file, start, end, perhaps channel.")
    ] = None,
    channel: Annotated[
        str, typer.Option(help="mix (the mean), each, or a number from 1 on.")
    ] = "mix",
    out: Annotated[
        Path | None, typer.Option(help="Table to write and go on with: .csv, .jsonl, .parquet.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    cluster: Cluster = None,
    form: Annotated[
        Literal["table", "csv", "jsonl"] | None, typer.Option("--format", help="How to print.")
    ] = None,
    transcript: Annotated[
        list[str] | None, typer.Option(help="What is said; one for each recording.")
    ] = None,
    transcripts: Annotated[
        Path | None, typer.Option(help="Table of what is said, by file or utterance.")
    ] = None,
    asr: Annotated[
        str | None, typer.Option(help="Speech recogniser that hears what is said.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="That it hears, as en; else it tells by itself.")
    ] = None,
    by_speaker: Annotated[
        str | None,
        typer.Option(help="Known voices: one, folder (one a voice), or a column of --speakers."),
    ] = None,
    speakers: Annotated[
        Path | None, typer.Option(help="Table of whose voice it is, by file or utterance.")
    ] = None,
    coverage: Coverage = None,
    min_probability: MinProbability = None,
    answer_anyway: AnswerAnyway = False,
    quiet: Annotated[bool | None, typer.Option("--quiet", help="No progress of --out.")] = None,
) -> None:
    """Recordings to emotions, probabilities or intensities; exit status 1 if any file failed."""
    from undertone.cli import predicting
    from undertone.serving.given import gather
    from undertone.serving.said import What
    from undertone.serving.sureness import Terms

    predicting.check_cluster(cluster, out, voices=by_speaker is not None)
    said = What(tuple(transcript or ()), transcripts, asr, language)
    shown = predicting.check_form(form, out)
    model, audio = predicting.model_and_names(names or [], model)
    given = gather(
        audio,
        recursive=recursive,
        files_from=files_from,
        segments=segments,
        channel=channel,
        keep_copies=bool(said.told),
    )
    terms = Terms(coverage, min_probability, answer_anyway)
    rows = predicting.rows_of(model, given, said, terms=terms, workers=workers)
    if by_speaker is not None or speakers is not None:
        rows = predicting.by_voice(rows, by_speaker, speakers)
    fine = (
        predicting.show(rows, shown)
        if out is None
        else predicting.write(rows, out, quiet=bool(quiet))
    )
    if not fine:
        sys.exit(1)
