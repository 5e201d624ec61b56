"""A model as a service on this machine, and at a microphone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from undertone.cli import printing
from undertone.cli.app import app
from undertone.errors import tell

if TYPE_CHECKING:
    from undertone.recogniser.folder import Recogniser

Model = Annotated[Path | None, typer.Argument(help="Model folder; the starter model by default.")]
Detector = Annotated[str, typer.Option(help="Of speech: auto, silero (extra speech) or energy.")]
Window = Annotated[float, typer.Option(help="Seconds of a stream that are heard at once.")]
DEFAULT_PORT = 8765


@app.command()
def serve(
    model: Model = None,
    *,
    port: Annotated[
        int | None, typer.Option(help="0: any that is free; default 8765, or a free one.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    public: Annotated[
        bool, typer.Option("--public", help="Let other machines in; there is no password.")
    ] = False,
    name: Annotated[
        list[str] | None, typer.Option(help="A name by which the machine is called; repeatable.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; by default one a core, at least two.")
    ] = None,
    window: Window = 4.0,
    detector: Detector = "auto",
    max_mb: Annotated[float, typer.Option(help="Of a recording, in MB.")] = 50,
    max_seconds: Annotated[float, typer.Option(help="Of a recording.")] = 600,
    max_requests: Annotated[int, typer.Option(help="At once.")] = 64,
    max_streams: Annotated[int, typer.Option(help="At once.")] = 16,
    max_per_minute: Annotated[int, typer.Option(help="Requests of one address.")] = 3_000,
    max_upload_seconds: Annotated[float, typer.Option(help="Until a body is there.")] = 60,
    max_work_seconds: Annotated[float, typer.Option(help="Of work on a recording.")] = 120,
    max_stream_seconds: Annotated[float, typer.Option(help="Of a stream.")] = 3_600,
    max_idle_seconds: Annotated[float, typer.Option(help="Of a stream that sends nothing.")] = 30,
) -> None:
    """Serve a model on this machine: recordings, streams, and a page with a microphone."""
    from undertone.web import port as ports

    ports.check_installed()
    from undertone.features import speech
    from undertone.processes import available_cores
    from undertone.serving.live import LiveConfig
    from undertone.serving.service.app import Service, make_app
    from undertone.serving.service.connections import watched_by
    from undertone.serving.service.limits import Limits
    from undertone.serving.service.reach import check_host, check_names
    from undertone.serving.service.stream import LARGEST_MESSAGE
    from undertone.web.guard import is_loopback

    check_host(host, is_public=public)
    limits = Limits(
        max_mb=max_mb,
        max_seconds=max_seconds,
        max_requests=max_requests,
        max_streams=max_streams,
        max_per_minute=max_per_minute,
        upload_s=max_upload_seconds,
        work_s=max_work_seconds,
        stream_s=max_stream_seconds,
        idle_s=max_idle_seconds,
    )
    settings = LiveConfig(window_s=window, detector=speech.chosen(detector))
    recogniser, named, card = _loaded(model)
    workers = max(2, available_cores()) if workers is None else workers
    check_names(name or ())
    names = (*(name or ()), *([] if is_loopback(host) else [host]))
    service = Service(recogniser, named, workers, limits, settings, names, card)
    opened = ports.open_port(
        host, DEFAULT_PORT if port is None else port, may_be_another=port is None
    )
    ports.run(
        make_app(service),
        opened,
        during=service.running(),
        ready=lambda _: _say_where(ports.address_of(opened, host), named, is_public=public),
        end_s=limits.end_s,
        http=watched_by(service.watch),
        ws_max_size=LARGEST_MESSAGE,
        ws_per_message_deflate=False,
    )
    tell("the service has ended; nothing was stored")


@app.command()
def listen(
    model: Model = None,
    *,
    device: Annotated[
        str | None, typer.Option(help="Number of a microphone, or a part of its name.")
    ] = None,
    devices: Annotated[bool, typer.Option("--devices", help="List the microphones.")] = False,
    window: Window = 4.0,
    detector: Detector = "auto",
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="End after so many; by default Ctrl-C ends it.")
    ] = None,
) -> None:
    """Listen to a microphone: the emotion that is heard, four times a second."""
    from undertone.serving import listen as listening

    sounddevice = listening.sounddevice()
    if devices:
        found = listening.microphones(sounddevice)
        printing.print_rows(["number", "microphone", "channels", "Hz"], found)
        return
    from undertone.features import speech
    from undertone.serving.live import LiveConfig

    settings = LiveConfig(window_s=window, detector=speech.chosen(detector))
    chosen = listening.chosen(sounddevice, device)
    recogniser, named, _ = _loaded(model)
    ended = listening.listen(
        recogniser, chosen, settings, sounddevice=sounddevice, name=named, seconds=seconds
    )
    tell(ended)


def _loaded(model: Path | None) -> "tuple[Recogniser, str, str]":
    """A model, what it is called, and its card; what must be known of the starter is told."""
    from undertone.cli.predicting import about_starter
    from undertone.recogniser.files import CARD
    from undertone.recogniser.starter import STARTER, folder_of, starter_folder
    from undertone.serving.predict import loaded

    folder = starter_folder() if model is None else folder_of(model)
    recogniser = loaded(folder)
    if folder == starter_folder():
        if model is None:
            tell(about_starter(recogniser))
        named = STARTER
    else:
        named = folder.resolve().name
    try:
        card = (folder / CARD).read_text(encoding="utf-8", errors="replace")
    except OSError:
        card = ""
    return recogniser, named, card


def _say_where(address: str, named: str, *, is_public: bool) -> None:
    printing.say(f"{named} answers at {address} (for programs: {address}/docs); Ctrl-C ends it")
    if is_public:
        tell("other machines can reach it: there is no password, and speech travels unencrypted")
    import sys

    sys.stdout.flush()
