"""The JSON schema of a study file, for editors that complete and check YAML: the file as people write it, shorthands
and `extends` included, not the model that it becomes."""

import json
from typing import Any

from evenkeel.study.file.study import StudyConfig

EXTENDS = {
    "type": "string",
    "title": "Extends",
    "description": "a preset's name or another file, whose keys are laid under this one's; null removes a key",
}


def render_schema() -> str:
    """The schema as it is stored in study/study.schema.json."""
    schema = StudyConfig.model_json_schema()
    schema["properties"] = {"extends": EXTENDS, **schema["properties"]}
    schema["anyOf"] = [{"required": schema.pop("required")}, {"required": ["extends"]}]
    for name in ("data", "trainable"):
        schema["properties"][name] = _or_a_part(schema["properties"][name])
    entry = schema["$defs"]["LossEntry"]
    entry["required"].remove("label")
    losses = schema["properties"]["losses"]
    losses["items"] = {"anyOf": [{"type": "string", "description": "a loss by name"}, losses["items"]]}
    return json.dumps(schema, indent=2) + "\n"


def _or_a_part(union: dict[str, Any]) -> dict[str, Any]:
    """A member by its `name`, or without one some keys of it: what is extended says the name."""
    part = {"type": "object", "not": {"required": ["name"]}}
    own = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "pattern": ":"}}}
    return {"anyOf": [union, own, part]}
