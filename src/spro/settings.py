"""From a file and ``key=value`` words to a ``Config``.

Every mistake becomes one line that names key, value and remedy.
"""

import difflib
import types
import typing
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from spro.config import Config
from spro.errors import ConfigError
from spro.folders import next_numbered

LAB_TASKS = ("chain", "calculator")
"""Tasks with settings of their own in ``assets``; the first is what runs when nothing is said."""
EXAMPLE = "train.steps=3"
Settings = TypeVar("Settings", bound=BaseModel)


def load_config(path: Path | None, overrides: Sequence[str]) -> Config:
    """The settings of a file with ``overrides`` such as ``train.steps=3``.

    Without a file they are those of the embedded lab run, or of that with the calculator when the overrides name its
    task. When they name another, they are the defaults: what suits 0.2 M parameters suits nothing else.

    Raises:
        ConfigError: the file cannot be read, or a key or value is wrong; one line.
    """
    source, settings = _start(path, overrides)
    return check_settings(Config, source, settings, overrides)


def load_settings(root: type[Settings], path: Path | None, overrides: Sequence[str]) -> Settings:
    """Other settings than a run's: those of a file, or the defaults, with ``overrides``; raises as ``load_config``."""
    if path is None:
        return check_settings(root, "the command line", {}, overrides)
    source = f"{path} and the command line" if overrides else str(path)
    return check_settings(root, source, _parse_yaml(_read(path), str(path)), overrides)


def check_settings(
    root: type[Settings],
    source: str,
    settings: dict[str, Any],
    overrides: Sequence[str] = (),
    example: str = EXAMPLE,
) -> Settings:
    """Plain ``settings`` with ``overrides`` as a ``root``.

    Args:
        root: what they are settings of.
        source: their name for messages; empty where they can come from one place only.
        settings: changed to what they are with the overrides.
        overrides: ``key=value``.
        example: such a word, for the message on one that is none.

    Raises:
        ConfigError: a key or value is wrong; one line.
    """
    # Types first: a word that sets a key of the new type may stand before the word that names it.
    for word in sorted(overrides, key=lambda word: not word.partition("=")[0].endswith(".type")):
        _override(settings, word, example)
    try:
        return root.model_validate(settings)
    except ValidationError as error:
        line = _first_line(error, root)
        raise ConfigError(f"{source}: {line}" if source else line) from error


def dump_config(config: BaseModel) -> str:
    """The resolved settings as YAML; loading it gives the same ones."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def next_run_dir(config: Config) -> Path:
    """The folder of a run without ``run_dir``: the next free ``runs/<task>-<credit>-<number>``, relative."""
    return next_numbered(Path("runs"), f"{config.task.type}-{config.credit.type}")


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt word: the nearest known one, or all of them when none is near."""
    known = sorted(known)
    matches = difflib.get_close_matches(word.lower(), known, n=1)
    return f"did you mean {matches[0]!r}?" if matches else f"known: {', '.join(known)}"


def _start(path: Path | None, overrides: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """What the overrides are laid upon, and its name for messages."""
    if path is not None:
        source = f"{path} and the command line" if overrides else str(path)
        return source, _parse_yaml(_read(path), str(path))
    tasks = [word.removeprefix("task.type=") for word in overrides if word.startswith("task.type=")]
    task = tasks[-1] if tasks else LAB_TASKS[0]
    if task not in LAB_TASKS:
        return "the command line", {}
    text = files("spro").joinpath(f"assets/{task}.yaml").read_text("utf-8")
    return "the command line" if overrides else f"the embedded {task}.yaml", _parse_yaml(text, f"{task}.yaml")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the config {str(path)!r}: {error}") from error


def _parse_yaml(text: str, source: str) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not YAML: {' '.join(str(error).split())}") from error
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConfigError(f"{source} holds a {type(settings).__name__}, expected keys and values such as 'seed: 0'")
    return settings


def split_word(word: str, example: str = EXAMPLE) -> tuple[str, str]:
    """Key and value, still a text, of ``key=value``.

    Raises:
        ConfigError: the word is none such; ``example`` is one.
    """
    key, equals, value = word.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"cannot read {word!r}; settings are written key=value, for example {example}")
    return key, value


def parse_value(word: str) -> Any:
    """The value of ``key=value``, which is written in a line of YAML.

    Raises:
        ConfigError: it is none.
    """
    try:
        return yaml.safe_load(word.partition("=")[2])
    except yaml.YAMLError as error:
        raise ConfigError(f"cannot read the value of {word!r}: {' '.join(str(error).split())}") from error


def _override(settings: dict[str, Any], word: str, example: str) -> None:
    """Set one ``a.b=value``. Another ``type`` drops the old type's keys from its section: they mean nothing to it."""
    key, _ = split_word(word, example)
    *sections, name = key.split(".")
    for section in sections:
        inner = settings.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{word!r}: {section!r} is a value, not a section")
        settings = inner
    parsed = parse_value(word)
    if name == "type":
        default, common = _types_of(sections)
        if parsed != settings.get("type", default):
            for old in settings.keys() - common:
                del settings[old]
    settings[name] = parsed


def _types_of(sections: Sequence[str]) -> tuple[str | None, set[str]]:
    """The type of a section when none is named, if it has one, and the keys that all of its types share."""
    field = Config.model_fields.get(".".join(sections))
    if field is None:
        return None, set()
    members = _sections_of(field.annotation)
    common = set(members[0].model_fields) if len(members) == 1 else set()
    return getattr(field.default, "type", None), common


def _first_line(error: ValidationError, root: type[BaseModel]) -> str:
    problems = error.errors()
    # Something misspelt explains something missing, so it is told first.
    problems.sort(key=lambda problem: problem["type"] == "missing")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return _describe(problems[0], root) + more


def _describe(problem: ErrorDetails, root: type[BaseModel]) -> str:
    section, choices, names = _walk(problem["loc"], root)
    key = ".".join(names)
    match problem["type"]:
        case "extra_forbidden":
            owners, known = _types_with(section, names[-1]), section.model_fields
            hint = f"it belongs to the type {' or '.join(owners)}" if owners else nearest(names[-1], known)
            return f"unknown key {key!r}; {hint}"
        case "missing":
            return f"the key {'.'.join([*names, *_first_required(section, choices, names)])!r} is missing"
        case "union_tag_not_found":
            return f"the key '{key}.type' is missing; known: {', '.join(choices)}"
        case "union_tag_invalid":
            return f"{key}.type is {problem['ctx']['tag']!r}; {nearest(problem['ctx']['tag'], choices)}"
        case "model_type":
            keys = ", ".join(section.model_fields)
            return f"{key} is {problem['input']!r}, and must be a section with some of the keys {keys}"
        case "tuple_type":
            return f"{key} is {problem['input']!r}, and must be a list"
        case "value_error":
            return f"{key}: {problem['ctx']['error']}" if key else str(problem["ctx"]["error"])
        case _:
            # A value in a list stands in the message; its number in a list written with commas would say less.
            key = key.rstrip("0123456789").removesuffix(".") if names[-1].isdigit() else key
            return f"{key} is {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _walk(
    location: tuple[int | str, ...], root: type[BaseModel]
) -> tuple[type[BaseModel], dict[str, type[BaseModel]], list[str]]:
    """The section in which a mistake lies, the types that may stand there, and its key.

    pydantic puts the chosen type of a union into its locations; a key as the user writes it has none.
    """
    section = root
    choices: dict[str, type[BaseModel]] = {}
    names: list[str] = []
    for part in map(str, location):
        if part in choices:
            section, choices = choices[part], {}
            continue
        names.append(part)
        field = section.model_fields.get(part)
        members = _sections_of(field.annotation) if field else []
        choices = {_type_name(member): member for member in members} if len(members) > 1 else {}
        if len(members) == 1:
            section = members[0]
    return section, choices, names


def _types_with(section: type[BaseModel], key: str) -> list[str]:
    """The other types that may stand in place of a section and have the key: ``periodic`` for ``every``."""
    unions = [_sections_of(field.annotation) for field in Config.model_fields.values()]
    others = [other for union in unions if section in union for other in union]
    return [_type_name(other) for other in others if key in other.model_fields]


def _first_required(section: type[BaseModel], choices: dict[str, type[BaseModel]], names: list[str]) -> list[str]:
    """What to set in a section that is missing as a whole: ``path`` of ``model``; nothing for a plain key."""
    if choices:
        return ["type"]
    if names[-1] in section.model_fields:
        return []
    return [name for name, field in section.model_fields.items() if field.is_required()][:1]


def _type_name(member: type[BaseModel]) -> str:
    """``chain`` of ``type: Literal["chain"]``."""
    return str(typing.get_args(member.model_fields["type"].annotation)[0])


def _sections_of(annotation: Any) -> list[type[BaseModel]]:
    """The config sections that a field may hold, alone or in a list."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) in (typing.Union, tuple):
        return [section for member in typing.get_args(annotation) for section in _sections_of(member)]
    is_section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return [annotation] if is_section else []
