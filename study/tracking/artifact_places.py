"""Where a database of MLflow says that files lie: MLflow asks there, with the credentials of whoever looks."""

import sqlite3
from contextlib import closing
from pathlib import Path

from evenkeel.study.errors import UserError

PLACES = "SELECT artifact_location FROM experiments UNION SELECT artifact_uri FROM runs"


def refuse_remote_artifacts(database: Path) -> None:
    """Raises UserError for a database in a study's folder whose files lie at an address, as none of evenkeel's do."""
    if database.is_symlink():
        raise UserError(
            f"{database}: is a link, and MLflow would write where it leads; give --tracking-uri sqlite:///PATH for a "
            "database that you trust"
        )
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            places = [str(place) for (place,) in connection.execute(PLACES) if place]
    except sqlite3.Error as error:
        raise UserError(
            f"{database}: no database of MLflow can be read there ({error}); evenkeel run --track-again makes it again"
        ) from error
    if remote := next((place for place in places if "://" in place and not place.startswith("file:")), None):
        raise UserError(
            f"{database}: says that files lie at {remote}, where MLflow would ask with your credentials; evenkeel "
            "report needs no MLflow, and --tracking-uri names a database that you trust"
        )
