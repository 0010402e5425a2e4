"""JSON schemas of arguments and answers, as lean as a language model's budget wants them."""

from __future__ import annotations

from typing import Any


def lean_schema(schema: dict[str, Any], of_answer: bool = False, with_null: bool = True) -> dict[str, Any]:
    """The schema without generated titles and null defaults: they cost tokens and tell nothing.

    Of an answer, no defaults, no inner form of maps and no words on it as a whole either; nor null, where
    fields without a value are left out of the answer itself.
    """
    lean: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "default" and (of_answer or value in (None, "", {}, [])):
            continue
        if of_answer and key in ("additionalProperties", "format"):
            continue
        if of_answer and key == "description" and "properties" in schema:
            continue
        if key == "anyOf" and not with_null and (one := _without_null(value)) is not None:
            lean |= lean_schema(one, of_answer, with_null)
        elif key in ("properties", "$defs"):
            lean[key] = {name: lean_schema(part, of_answer, with_null) for name, part in value.items()}
        elif isinstance(value, dict):
            lean[key] = lean_schema(value, of_answer, with_null)
        elif isinstance(value, list):
            lean[key] = [
                lean_schema(part, of_answer, with_null) if isinstance(part, dict) else part for part in value
            ]
        else:
            lean[key] = value
    return lean


def _without_null(variants: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The one variant that is not null; None where there are several."""
    others = [variant for variant in variants if variant != {"type": "null"}]
    return others[0] if len(others) == 1 < len(variants) else None


def without_null(value: Any) -> Any:
    """An answer without the fields that have no value, at any depth: its lean schema knows no null."""
    if isinstance(value, dict):
        return {name: without_null(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [without_null(part) for part in value]
    return value
