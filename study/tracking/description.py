"""What MLflow says of a study and of each loss in words; needs no pandas, for which the first trial would wait."""

import ast
from pathlib import Path

import evenkeel.trainables
from evenkeel.reports.facts import LossFacts, StudyFacts
from evenkeel.study.tracking.tracker import StudyDescription


def describe_study(facts: StudyFacts, *, per_class: bool = False) -> StudyDescription:
    """What the experiment's description says, and whether trials show the scores of each class."""
    return StudyDescription(
        name=facts.name,
        description=facts.description,
        data=facts.data.name,
        metric=facts.metric,
        seeds=list(facts.seeds),
        losses={label: _describe_loss(loss) for label, loss in facts.losses.items()},
        swept=sorted({name for loss in facts.losses.values() for name in loss.levels}),
        fixed={label: {k: str(v) for k, v in loss.fixed.items()} for label, loss in facts.losses.items()},
        planned={label: sum(counts.values()) for label, counts in facts.planned.items()},
        classes=list(facts.data.classes) if per_class else [],
    )


def _describe_loss(loss: LossFacts) -> str:
    rows = [
        f"| {name} | {p.symbol} | {p.default} | {p.options or f'{p.low} to {p.high}'} | {p.source} |"
        for name, p in loss.space.items()
    ]
    table = ["| hyperparameter | symbol | default | range | source |", "|---|---|---|---|---|", *rows] if rows else []
    return "\n".join([read_formula(loss.loss), "", *table])


def read_formula(loss: str) -> str:
    """The text of a loss, from its source: importing the losses would import torch. Empty for a user's own."""
    source = Path(evenkeel.trainables.__file__).parent / "losses" / f"{loss.replace('-', '_')}.py"
    if not source.exists():
        return ""
    classes = [node for node in ast.parse(source.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    return next((text for node in classes if not node.name.startswith("_") and (text := ast.get_docstring(node))), "")
