"""What the name of a column says: whether tools put it there, of which split a score is, which direction is better."""

import re
from collections.abc import Hashable

import pandas as pd

BOOKKEEPING = re.compile(
    r"^(_.*|(run_|trial_|experiment_)?(id|name|number)|unnamed.*|index|run|trial|state|status|created|created_at|updated|"
    r"start_time|end_time|runtime|duration|time.*|wall_s|host(name)?|user|notes?|tags?|sweep|group|moved|proposal|"
    r"versions|loss_name|loss_path|epochs?_done|(global_)?(epoch|steps?)|pid|date|description|github|gpu.*|commit|value)$"
)
COUNTER = re.compile(r"(.*_)?(epochs?|steps?|iterations?)")
"""What says how long a run trained, and is no score, whatever logged it."""
OF_A_PART = {"id", "name", "number", "index", "group", "value"}
"""What a part of a model may be called as well: `optimizer.name` is a setting."""
CONFIGURED = re.compile(r"^(config|cfg|params?|hparams?|hyperparameters?|hp|args)[./]")
"""What tools put before a setting."""
LOGGED = re.compile(r"^(summary|metrics?|user_attrs|tags)[./]")
LOWER = re.compile(r"loss|err|rmse|mse|mae|nll|perplexity|ppl|ece|brier|deviance|regret")
HIGHER = re.compile(r"acc|auc|auroc|f1|map|precision|recall|score|r2|kappa|iou|dice|bleu|rouge|reward|return|ndcg|mcc")
SPLITS = {"test": "test", "val": "validation", "valid": "validation", "validation": "validation", "eval": "test"}


def last_part(column: Hashable) -> str:
    """`lr` of `config/optimizer.lr`, in lower case."""
    return re.split(r"[./]", str(column).lower())[-1].strip().replace(" ", "_")


def is_configured(column: Hashable) -> bool:
    """Whether its tool says that the column is a setting."""
    return bool(CONFIGURED.match(str(column).lower()))


def is_bookkeeping(column: Hashable) -> bool:
    """Whether it counts, dates or names runs."""
    name, part = CONFIGURED.sub("", str(column).lower()), last_part(column)
    return bool(BOOKKEEPING.match(part)) and not (part in OF_A_PART and part != name)


def score_words(column: Hashable) -> list[str]:
    """`[val, acc]` of `metrics.val/acc`."""
    return [word for word in re.split(r"[^a-z0-9]+", LOGGED.sub("", str(column).lower())) if word]


def split_of(column: Hashable) -> str:
    """`validation` of `val/acc`; empty where no word names one."""
    return next((SPLITS[word] for word in score_words(column) if word in SPLITS), "")


def is_score(column: Hashable) -> bool:
    """Whether a word of it names something measured."""
    text = "_".join(score_words(column))
    return bool(LOWER.search(text) or HIGHER.search(text))


def is_counter(column: Hashable) -> bool:
    """Whether it counts steps."""
    return bool(COUNTER.fullmatch(last_part(column)))


def is_of_train(column: Hashable) -> bool:
    """Whether it is a score of the train rows."""
    return score_words(column)[:1] in (["train"], ["training"]) and is_score(column)


def is_measured(values: pd.Series) -> bool:
    """Whether a column holds numbers that its name calls a score."""
    return is_score(values.name) and pd.api.types.is_float_dtype(values)


def better(name: str) -> str | None:
    """`lower` or `higher` by a metric's name, None where it says nothing or both."""
    lower, higher = bool(LOWER.search(name)), bool(HIGHER.search(name))
    return None if lower == higher else "lower" if lower else "higher"
