"""What is said in the recordings to predict: told, looked up in a table, or heard.

In:  recordings, and one of: transcripts in their order, a table, a speech recogniser.
Out: a transcript a recording; None where nobody knows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from undertone.errors import UndertoneError


@dataclass(frozen=True)
class What:
    """Where transcripts come from; at most one of them.

    Attributes:
        told: one for each recording, in their order.
        table: of transcripts, by file or utterance.
        asr: folder or name of a speech recogniser.
        language: that it hears.
    """

    told: tuple[str, ...] = ()
    table: Path | None = None
    asr: str | None = None
    language: str | None = None

    def __post_init__(self) -> None:
        ways = {"--transcript": self.told, "--transcripts": self.table, "--asr": self.asr}
        given = [name for name, way in ways.items() if way]
        if len(given) > 1:
            raise UndertoneError(f"{' and '.join(given)} exclude each other: give one of them")
        if self.language and not self.asr:
            raise UndertoneError("--language is that of a speech recogniser: give --asr as well")

    @property
    def is_given(self) -> bool:
        """Whether anything is known of what is said."""
        return bool(self.told or self.table or self.asr)

    def of(self, files: Sequence[Path]) -> list[Callable[[], str | None]]:
        """For each recording what gives its transcript, when it is its turn.

        Raises:
            UndertoneError: there are more or fewer transcripts than recordings, or the table or
                the speech recogniser cannot be used.
        """
        if self.asr:
            return self._heard(files, self.asr)
        known: Sequence[str | None] = self.told or [None] * len(files)
        if self.table is not None:
            from undertone.corpora.transcripts import of_files

            known = of_files(self.table, files)
        if len(known) != len(files):
            raise UndertoneError(
                f"there are {len(files)} recordings and {len(known)} transcripts: give one "
                "--transcript a recording, in their order, or a table with --transcripts FILE"
            )
        return [lambda text=text: text for text in known]  # type: ignore[misc]

    def _heard(self, files: Sequence[Path], name: str) -> list[Callable[[], str | None]]:
        from undertone import audio
        from undertone.features.asr import check_language, load

        asr = load(name)
        if self.language is not None:
            check_language(self.language, asr)
        return [
            lambda file=file: asr.hear(audio.read(file), self.language).text  # type: ignore[misc]
            for file in files
        ]
