"""A job's config from a file: YAML or JSON by the flags' names, or the summary of a finished run.

Values of a file take the place of the defaults, and flags of the command line that of both.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro
import yaml

from kdner.errors import InputError

C = TypeVar("C")

FLAG = "--config"
HELP = (
    f"{FLAG} FILE reads flags from a YAML or JSON file by their names (labeled-size: 750, actors.count: 4, or actors: "
    "with what lies below it), or from the _summary.json of a finished run; flags beside it go before it."
)


class _Loader(yaml.SafeLoader):
    """Reads YAML, but leaves numbers and dates the text that they are: what that means, the type of the flag says."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, form) for tag, form in forms if tag.rpartition(":")[2] in ("bool", "null", "merge")]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def parse(config: type[C], arguments: Sequence[str], name: str | None = None) -> C:
    """Parse the arguments of a job into its config, a file of `FLAG` first.

    The name of the job, in its help text, is by default the path of the script that runs.

    Raises:
        InputError: the file cannot be read, or says something that is no flag of the job.
    """
    path, rest = _file_flag(arguments)
    description = f"{(config.__doc__ or '').strip()}\n\n{HELP}"
    if path is None:
        return tyro.cli(config, prog=name, args=rest, description=description)
    default = _filled(config, _read(path), path, "")
    return tyro.cli(config, prog=name, args=rest, description=description, default=default)


def _file_flag(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Take `FLAG` and its value out of the arguments."""
    path, rest, waiting = None, [], list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if argument == FLAG:
            if not waiting:
                raise InputError(f"{FLAG}: names no file; give a YAML or JSON file, or the _summary.json of a run")
            path = waiting.pop(0)
        elif argument.startswith(f"{FLAG}="):
            path = argument.removeprefix(f"{FLAG}=")
        else:
            rest.append(argument)
    return path, rest


def _read(path: str) -> dict[str, Any]:
    try:
        text = Path(path).read_text("utf-8-sig")
        if path.endswith(".json"):
            values = json.loads(text, parse_int=str, parse_float=str)
        else:
            values = yaml.load(text, _Loader)
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{FLAG} {path}: cannot be read ({error}); expected a file of YAML or JSON") from None
    if isinstance(values, dict) and isinstance(run := values.get("provenance"), dict):
        values = run.get("configuration")
    if not isinstance(values, dict):
        raise InputError(f"{FLAG} {path}: expected flags by their names, such as labeled: train.conll")
    return values


def _filled(config: type[C], values: Mapping[str, Any], path: str, prefix: str) -> C:
    """Make of a file's values what stands in for the defaults of a config.

    It is a config only by its attributes: `__post_init__`, which checks and completes what is given, is left to the
    config that is made once flags are there too. What the file does not name keeps its default, or waits for a flag.
    """
    names = config.__dataclass_fields__  # type: ignore[attr-defined]  # unlike `fields`, with `InitVar`
    given = _nested(values, path, prefix)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"; perhaps you meant {_flag(prefix, near[0])}" if near else ""
            raise InputError(f"{FLAG} {path}: {_flag(prefix, name)} is no flag of this job{hint}")
    hints = {name: getattr(hint, "type", hint) for name, hint in get_type_hints(config).items()}
    filled = object.__new__(config)
    for name, field in names.items():
        if name in given:
            vars(filled)[name] = _converted(hints[name], given[name], path, _flag(prefix, name))
        elif field.default_factory is not MISSING:
            factory = field.default_factory
            vars(filled)[name] = _filled(factory, {}, path, "") if factory is hints[name] else factory()
        else:
            vars(filled)[name] = tyro.MISSING if field.default is MISSING else field.default
    return filled


def _nested(values: Mapping[Any, Any], path: str, prefix: str) -> dict[str, Any]:
    """Return values by the names of fields; those of dotted names (``actors.count``) lie below the first part."""
    nested: dict[str, Any] = {}
    for key, value in values.items():
        name, dot, rest = str(key).replace("-", "_").partition(".")
        value = {rest: value} if dot else value
        if name in nested:
            parts = isinstance(value, Mapping) and isinstance(nested[name], Mapping)
            twice = [f"{name}.{inner}" for inner in value if inner in nested[name]] if parts else [name]
            if twice:
                raise InputError(f"{FLAG} {path}: {_flag(prefix, twice[0])} is given twice; keep one of them")
            value = {**nested[name], **value}
        nested[name] = value
    return nested


def _converted(hint: Any, value: Any, path: str, flag: str) -> Any:
    """Return a value of a file as the type of its flag."""
    if value is None and type(None) in get_args(hint):
        return None
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (kind for kind in get_args(hint) if kind is not type(None))
    if is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, Mapping):
            return _filled(hint, value, path, flag.removeprefix("--") + ".")
    elif get_origin(hint) is tuple:
        inner, *more = get_args(hint)
        listed = value if isinstance(value, list | tuple) else [value]
        if Ellipsis in more or len(listed) == 1 + len(more):
            return tuple(_converted(inner, each, path, flag) for each in listed)
    elif get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
    elif hint in (int, float) and isinstance(value, str):
        with suppress(ValueError):
            return hint(value)
    elif type(value) is hint:
        return value
    expected = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")
    raise InputError(f"{FLAG} {path}: {flag} is {value!r}; expected {expected}")


def _flag(prefix: str, name: str) -> str:
    return f"--{prefix}{name}".replace("_", "-")
