"""What a shell offers for the words of a command; argcomplete asks, bash, zsh and fish call it."""

from pathlib import Path

PRESETS = Path(__file__).parent / "presets"


def complete_study(prefix: str, **_: object) -> list[str]:
    """Presets, and the study files and folders that begin with `prefix`."""
    from argcomplete.completers import FilesCompleter

    files = FilesCompleter(("yaml", "yml"))(prefix)
    return [*sorted(path.stem for path in PRESETS.glob(f"{prefix}*.yaml")), *files]


def complete_preset(prefix: str, **_: object) -> list[str]:
    """The presets that begin with `prefix`."""
    return sorted(path.stem for path in PRESETS.glob(f"{prefix}*.yaml"))
