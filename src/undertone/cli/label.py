"""Labels by ear: the page, its log, and labels from and to other tools."""

import contextlib
import inspect
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from undertone.cli import options, printing
from undertone.cli.app import app
from undertone.cli.options import Cache, Quiet, Seed
from undertone.errors import UndertoneError, tell
from undertone.progress import alive

if TYPE_CHECKING:
    from undertone.annotation.learning.learner import Learner
    from undertone.annotation.opening import Opened, What
    from undertone.annotation.session import Session

USUAL_PORT = 8765
ENDING = ("export", "imported", "agreement")  # without a page
NAMED_OTHERWISE = {"imported": "import", "open_page": "open"}  # options, by their variables
TAKEN = {  # beside them
    "--export": {"log", "form", "quiet"},
    "--agreement": {"log", "quiet"},
    "--import": {"log", "form", "quiet", "corpus", "emotions", "detector"}
    | {"each_recording_a_speaker", "each_folder_a_speaker"},
}
AT_RANDOM = "random"  # the strategy that chooses no clip for what it teaches


@app.command()
def label(
    *,
    corpus: Annotated[
        str | None, typer.Option(help="What is to be labelled, NAME=PATH; else that of the log.")
    ] = None,
    emotions: Annotated[
        str | None, typer.Option(help="To be told apart, with commas; keys 1 to 9.")
    ] = None,
    log: Annotated[Path, typer.Option(help="Of labels; it only ever grows.")] = Path(
        "labels.jsonl"
    ),
    rater: Annotated[
        str | None, typer.Option(help="Who labels; default: who is logged in.")
    ] = None,
    sliders: Annotated[
        bool, typer.Option("--sliders", help="Ask for arousal and valence, too.")
    ] = False,
    strategy: Annotated[str | None, typer.Option(help="What comes next.")] = None,
    again: Annotated[
        float, typer.Option(min=0, max=1, help="Share of clips that another rater labelled.")
    ] = 0.3,
    detector: Annotated[
        str, typer.Option(help="Of speech in long recordings: auto, silero or energy.")
    ] = "auto",
    each_recording_a_speaker: Annotated[
        bool,
        typer.Option("--each-recording-a-speaker", help="Every recording is another person."),
    ] = False,
    each_folder_a_speaker: Annotated[
        bool,
        typer.Option("--each-folder-a-speaker", help="Every folder in the corpus is one person's."),
    ] = False,
    features: Annotated[str | None, typer.Option(help="What the model hears.")] = None,
    no_learning: Annotated[
        bool, typer.Option("--no-learning", help="Nothing learns; clips are drawn at random.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Of the page; 0 for any.")
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    export: Annotated[Path | None, typer.Option(help="Write the labels there, and end.")] = None,
    imported: Annotated[
        Path | None, typer.Option("--import", help="Take labels from there, and end.")
    ] = None,
    form: Annotated[
        str | None, typer.Option(help="csv, audformat, audiofolder or label-studio.")
    ] = None,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Print how far raters agree, and end.")
    ] = False,
    seed: Seed = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """Label by ear on a page, while a model learns; or exchange labels with other tools."""
    _check_beside(locals())
    from undertone.annotation.opening import What, alone, opened, rater_named
    from undertone.features.speech import chosen as detector_named

    detector_named(detector)
    _check_heard(features, no_learning=no_learning)
    what = What(
        log,
        corpus or "",
        tuple(options.names_of(emotions) or ()),
        detector,
        each_recording_a_speaker,
        each_folder_a_speaker,
        progress=not quiet,
    )
    if export is not None:
        _export(log, export, form)
        return
    if agreement:
        _agree(log)
        return
    if imported is not None:
        _import(what, imported, form)
        return
    from undertone.web import port as ports

    ports.check_installed("pages to label on")
    from undertone.annotation.choosing import Aim
    from undertone.annotation.learning.learner import Learner
    from undertone.annotation.picking.pick import DEFAULT
    from undertone.annotation.picking.strategies import strategy_of
    from undertone.annotation.running import serve
    from undertone.annotation.session import Session

    chosen = strategy_of(strategy or DEFAULT).name
    who = rater_named(rater)
    listener = ports.open_port(
        ports.HERE, USUAL_PORT if port is None else port, may_be_another=port is None
    )
    with contextlib.nullcontext() if quiet else alive("undertone label opens the corpus"):
        found = opened(what)
    _tell(found)
    with alone(log, who):
        aim = Aim(found.emotions, chosen, again, seed or 0)
        session = Session(found.clips, found.log, rater=who, aim=aim, sliders=sliders)
        by_strategy = chosen != AT_RANDOM
        learns = Learner(
            log, found.emotions, features=features or "", cache=cache, chosen=by_strategy
        )
        learner = None if no_learning else learns
        address = f"{ports.address_of(listener, ports.HERE)}/"
        as_who = who if rater else f"{who} (who is logged in; --rater NAME changes it)"
        told = f"label at {address} as {as_who}; Ctrl-C ends it, {log} keeps every label"
        serve(session, learner, listener, lambda: _say_where(told, address, open_page=open_page))
    _end(session, learner)


def _check_beside(given: Mapping[str, Any]) -> None:
    """Refuse options that what was asked for has no use for."""
    parameters = inspect.signature(label).parameters
    said = {name for name, value in given.items() if value != parameters[name].default}
    ending = {_option(name): name for name in ENDING if name in said}
    if len(ending) > 1:
        raise UndertoneError("label takes one of --export, --import and --agreement at a time")
    for option, name in ending.items():
        if idle := [_option(one) for one in parameters if one in said - TAKEN[option] - {name}]:
            raise UndertoneError(
                f"label {option} opens no page, and has no use for {', '.join(idle)}: leave "
                f"{'it' if len(idle) == 1 else 'them'} out"
            )
    if not ending and "form" in said:
        raise UndertoneError("--form is of --export and --import: add one of them, or leave it out")


def _option(name: str) -> str:
    return f"--{NAMED_OTHERWISE.get(name, name).replace('_', '-')}"


def _check_heard(features: str | None, *, no_learning: bool) -> None:
    """Refuse features that there are none of at once; a model that cannot hear teaches nobody."""
    from undertone.features import extractors
    from undertone.features.name import parse

    if features is None:
        return
    if no_learning:
        raise UndertoneError("--features says what the model hears, and --no-learning has none")
    if not (name := parse(features)).is_upstream:  # an encoder is looked at where it is opened
        extractors.get(name)


def _say_where(told: str, address: str, *, open_page: bool) -> None:
    """Say where the page is, once it answers."""
    printing.say(told)
    sys.stdout.flush()
    if open_page:
        import webbrowser

        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _end(session: "Session", learner: "Learner | None") -> None:
    from undertone.annotation.app import learning_now
    from undertone.annotation.learning.shown import at_the_end

    log = session.log.path
    printing.say(f"{session.counts()['mine']} labels of {session.rater} in {log}")
    if learner is not None:
        learning = learning_now(session, learner)
        for line in at_the_end(log, learning, session.standing()):
            printing.say(line)


def _tell(found: "Opened") -> None:
    from undertone.annotation.learning.shown import warning
    from undertone.corpora.label_log.reader import AS_YOU_SAID

    for line in found.told:
        tell(line)
    if before := warning(found.log.path, found.clips.n_speakers):
        tell(before)
    if found.clips.a_speaker_each:
        tell(AS_YOU_SAID)


def _export(log: Path, out: Path, form: str | None) -> None:
    from undertone.annotation.exchange.forms import form_to_write
    from undertone.annotation.exchange.rows import exported
    from undertone.atomic import check_free
    from undertone.corpora.label_log.log import load

    written_as = form_to_write(out, form)
    if out.resolve() == log.resolve():
        raise UndertoneError(f"--export {out} is the log itself: choose another place")
    check_free(out, "--export")
    read = load(log)
    for line in read.told():
        tell(line)
    printing.say(written_as.write(exported(read, log), out))


def _import(what: "What", source: Path, form: str | None) -> None:
    from undertone.annotation.exchange.forms import form_to_read
    from undertone.annotation.exchange.rows import matched, not_said_yet
    from undertone.annotation.log import now
    from undertone.annotation.opening import opened

    rows = form_to_read(source, form).read(source)
    found = opened(what)
    for line in found.told:
        tell(line)
    labels, told = matched(
        rows, found.clips.clips, emotions=found.emotions, at=now(), source=source.name
    )
    n_new = sum(found.log.label(one) for one in not_said_yet(labels, found.log.refresh()))
    for line in told:
        tell(line)
    known = len(labels) - n_new
    there = f"; {known} were there already" if known else ""
    printing.say(f"{n_new} labels of {source} are in {what.log}{there}")


def _agree(log: Path) -> None:
    from undertone.annotation.raters import compare
    from undertone.corpora.label_log.log import load
    from undertone.corpora.label_log.reader import given_label, known_clips

    read, clips = load(log), known_clips(log)
    given = [one for one in map(given_label, clips) if one is not None]
    speakers = {label.utterance: label.heard.get("speaker") for label in read.in_force()}
    speakers |= {clip["utterance"]: clip.get("speaker") for clip in clips}
    for line in compare([*given, *read.in_force()], speakers).lines():
        printing.say(line)
