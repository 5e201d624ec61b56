"""The starter model, which comes with the package: an answer before anything was trained.

Its files lie here. ``scripts/make_starter.py`` makes them, and measures what the card says.
"""

from pathlib import Path

STARTER = "starter"  # its name in the place of a model's folder
BETTER = (
    "undertone finetune --corpus csv=TABLE --features upstream:openai/whisper-base@all --out MODEL"
)


def starter_folder() -> Path:
    """Where its files are."""
    return Path(__file__).parent


def folder_of(model: Path | str) -> Path:
    """The folder that a model's name means: the starter's, where no folder has that name."""
    path = Path(model)
    return starter_folder() if str(path) == STARTER and not path.exists() else path
