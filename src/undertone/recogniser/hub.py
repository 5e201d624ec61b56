"""Recognisers in the layout of the Hugging Face hub: saved, fetched, pushed.

In:  a recogniser; a folder, or a name on the hub (extra ``hub``).
Out: ``config.json`` with the fields that the hub's tools look for, ``model.safetensors``,
     ``preprocessor_config.json``, and ``README.md`` whose front matter the hub reads.

It is the model folder of ``undertone finetune`` with a little more in it: every command takes it.
Fetching asks for these files alone, and loading them runs no code: a stranger's pickles and
programs stay where they are. A token is handed to ``huggingface_hub`` and appears in no message.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from undertone.audio import SAMPLE_RATE
from undertone.config import expanded
from undertone.errors import UndertoneError, needs
from undertone.recogniser import files
from undertone.recogniser.front_matter import front_matter
from undertone.tasks import CHOICE

if TYPE_CHECKING:
    from undertone.recogniser.folder import Recogniser

PREPROCESSOR = "preprocessor_config.json"
FETCHED = [files.CONFIG, files.WEIGHTS, files.CARD, PREPROCESSOR]
EXAMPLE = "anna/emotions-of-interviews"
OFFLINE = (
    *("ConnectError", "ConnectTimeout", "ConnectionError", "OfflineModeIsEnabled"),
    "LocalEntryNotFoundError",
)


class OnTheHub:
    """What a recogniser does with the hub."""

    def save_pretrained(
        self,
        folder: Path | str,
        *,
        license: str = "other",
        name: str = "",
        tags: Sequence[str] = (),
    ) -> Path:
        """Write the folder, card and front matter included; return it.

        Args:
            folder: of the model; a recogniser that is there is replaced.
            license: of the model, as the hub spells it, such as ``cc-by-nc-4.0``. The corpora that
                it learned from may forbid some: the card names theirs.
            name: of the model, for the hub's table of results; by default the folder's.
            tags: beside those that it has anyway.
        """
        from undertone.recogniser.folder import check_free

        recogniser, path = cast("Recogniser", self), Path(folder)
        check_free(path, files.RECOGNISER)
        head = front_matter(recogniser, name=name or path.name, license=license, tags=tags)
        card = recogniser.card or "# Recogniser\n\nIt was saved without the card of its training.\n"
        recogniser.save(
            path,
            f"{head}\n{card}",
            told=_told_of(recogniser),
            beside={PREPROCESSOR: files.as_json(_preprocessing_of(recogniser))},
        )
        return path

    @classmethod
    def from_pretrained(
        cls,
        name: Path | str,
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: Path | str | None = None,
        local_files_only: bool = False,
        endpoint: str | None = None,
    ) -> Self:
        """A recogniser from a folder, or from the hub; nothing in it is run.

        Args:
            name: a folder, or a name on the hub, such as ``anna/emotions-of-interviews``.
            revision: branch, tag or commit.
            token: for a private model; the one that ``hf auth login`` keeps by default.
            cache_dir: where it is kept; the hub's own cache by default.
            local_files_only: ask nobody, and take what was fetched before.
            endpoint: of another hub.

        Raises:
            UndertoneError: it is not there, cannot be fetched, or is no recogniser.
        """
        from undertone.recogniser.folder import load

        folder = expanded(str(name))
        if not folder.is_dir():
            folder = _fetched(
                str(name),
                token=token,
                revision=revision,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                endpoint=endpoint,
            )
        return cast("Self", load(folder))

    def push_to_hub(
        self,
        name: str,
        *,
        license: str = "other",
        tags: Sequence[str] = (),
        private: bool | None = None,
        token: str | None = None,
        message: str = "Upload a recogniser of Undertone",
        endpoint: str | None = None,
    ) -> str:
        """Publish the folder under a name on the hub; return its address.

        Args:
            name: as ``anna/emotions-of-interviews``; it is made where there is none.
            license: as of ``save_pretrained``.
            tags: as of ``save_pretrained``.
            private: whether others may see it; as the account has it by default.
            token: with the right to write; the one that ``hf auth login`` keeps by default.
            message: of the commit.
            endpoint: of another hub.

        Raises:
            UndertoneError: the hub refuses, or does not answer.
        """
        needs("huggingface_hub", extra="hub", what="models on the hub")
        import huggingface_hub as hub

        with tempfile.TemporaryDirectory() as place, _told(name, token, "pushed to"):
            folder = self.save_pretrained(
                Path(place) / "model", license=license, name=name.rpartition("/")[2], tags=tags
            )
            api = hub.HfApi(endpoint=endpoint, token=token)
            made = api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(repo_id=made.repo_id, folder_path=folder, commit_message=message)
        return str(made)


def from_pretrained(name: Path | str, **options: Any) -> "Recogniser":
    """A recogniser from a folder, or from the hub, as ``Recogniser.from_pretrained``."""
    from undertone.recogniser.folder import Recogniser

    return Recogniser.from_pretrained(name, **options)


def _fetched(name: str, *, token: str | None, **options: Any) -> Path:
    """The folder of a hub's model in its local cache."""
    if Path(name).is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise UndertoneError(
            f"there is no folder {name}: give the folder of a model, or a name on the hub, such as "
            f"{EXAMPLE}"
        )
    needs(
        "huggingface_hub", extra="hub", what=f"there is no folder {name} here, and names on the hub"
    )
    import huggingface_hub as hub

    with _told(name, token, "fetched from"):
        return Path(hub.snapshot_download(name, allow_patterns=FETCHED, token=token, **options))


@contextlib.contextmanager
def _told(name: str, token: str | None, what: str) -> Iterator[None]:
    """Whatever goes wrong with the hub, as one message without the token."""
    try:
        yield
    except (UndertoneError, MemoryError):
        raise
    except Exception as error:  # of several libraries below the hub's own
        kind = type(error).__name__
        said = (str(error).strip() or kind).splitlines()[0]
        if token:
            said = said.replace(token, "***")
        way = (
            "is this machine online? What was fetched before needs no network with "
            "local_files_only=True, nor does a folder, as save_pretrained writes it"
            if kind in OFFLINE
            else f"is the name right, as {EXAMPLE}, and does your token (`hf auth login`) allow it?"
        )
        raise UndertoneError(
            f"{name} could not be {what} the hub ({kind}: {said}); {way}"
        ) from None


def _told_of(recogniser: "Recogniser") -> dict[str, Any]:
    """Fields of the config that the hub's tools look for."""
    outputs = recogniser.task.outputs
    is_choice = recogniser.task.kind == CHOICE
    return {
        "model_type": "undertone",
        "problem_type": "single_label_classification" if is_choice else "regression",
        "id2label": {str(i): name for i, name in enumerate(outputs)},
        "label2id": {name: i for i, name in enumerate(outputs)},
        "sampling_rate": SAMPLE_RATE,
    }


def _preprocessing_of(recogniser: "Recogniser") -> dict[str, Any]:
    inputs = recogniser.inputs
    return {
        "feature_extractor_type": "undertone",
        "features": inputs.features,
        "features_version": inputs.version,
        "frames_per_second": inputs.frames_per_second,
        "sampling_rate": SAMPLE_RATE,
    }
