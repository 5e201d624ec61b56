"""The page's server from its first answer to the last fit.

In:  a ``Session``, a ``Learner``, a port that is open.
Out: nothing, when somebody ended it: labels that came after the last fit get one more.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import numpy as np

from undertone.annotation.app import application, learning_now
from undertone.annotation.learning.learner import PATIENCE_S, Learner
from undertone.annotation.session import Session
from undertone.errors import tell
from undertone.web import port as ports
from undertone.web.guard import MISDIRECTED, Guard, Terms

MOST_BYTES = 200_000  # of a request
LOOK_S = 0.5  # how often the server looks for vectors
END_S = 2  # that what is under way may take


def guarded(session: Session, learner: Learner | None, port: int) -> Guard:
    """The application for the page that it served itself, on this machine."""
    terms = Terms(port=port, own_page=True, most_bytes=MOST_BYTES, wrong_host=MISDIRECTED)
    return Guard(application(session, learner), terms)


def serve(
    session: Session,
    learner: Learner | None,
    listener: socket.socket,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Answer until Ctrl-C, SIGTERM or a closed terminal.

    Args:
        session: that is served.
        learner: None where nothing learns.
        listener: a port that is open.
        ready: called once requests are answered; from then on Ctrl-C is the usual end.
    """
    app = guarded(session, learner, listener.getsockname()[1])
    follows = contextlib.nullcontext() if learner is None else _followed(session, learner)
    try:
        with contextlib.suppress(KeyboardInterrupt), follows:  # of one who is quicker than that
            ports.run(app, listener, ready=lambda _: ready(), end_s=END_S, ws="none")
        if learner is not None:
            _finish(session, learner)
    finally:
        session.hands.tell(())
        if learner is not None:
            learner.stop()


def _finish(session: Session, learner: Learner) -> None:
    """Learn the last labels, unless nothing can be learned or somebody is in a hurry."""
    learning = learning_now(session, learner)
    nothing = session.standing().why_nothing() is not None
    if nothing or not learning["behind"] or not learner.is_at_work():
        return
    n = learning["newer"]
    newer = f"{n} {'label is' if n == 1 else 'labels are'} newer than the model"
    why = newer if n else "labels changed since the model was fitted"
    tell(f"{why}: it is fitted once more (at most {PATIENCE_S:.0f} s); Ctrl-C ends that at once")
    with contextlib.suppress(KeyboardInterrupt):
        learner.finish()


@contextlib.contextmanager
def _followed(session: Session, learner: Learner) -> Iterator[None]:
    """Vectors reach the chooser as soon as there are some."""
    learner.start()
    done = threading.Event()

    def follow() -> None:
        while not done.wait(LOOK_S):
            if (heard := learner.heard()) is not None:
                at = {name: i for i, name in enumerate(heard.utterances)}
                rows = [at.get(clip.utterance, -1) for clip in session.clips.clips]
                with_none = np.vstack([heard.vectors, np.full(heard.vectors.shape[1], np.nan)])
                session.chooser.hear(with_none[rows], heard.emphasis)
                learner.tell(session.n_with_emotion())

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=5)
