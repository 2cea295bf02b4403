"""Write docs/cli.md from `--help`, and docs/api.md from docstrings: `python docs/generate.py`.

A test holds both to what this makes, so that neither lags behind.
"""

import ast
import inspect
import os
import re
import textwrap
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import unmask
from unmask.cli.completion import help_of
from unmask.cli.main import VERBS, usage

DOCS = Path(__file__).parent
WIDTH = "100"
NOTE = "Made by `python docs/generate.py`. Words: [glossary](glossary.md).\n"
GROUPS = {
    "Models": ("models", "files"),
    "Comparing, asking, training": ("frontier", "questions", "recipes"),
    "Samplers, and what they cost": ("samplers", "named", "cost"),
    "Windows, blocks, caches, filters, draws": ("process", "caching", "speculation", "draws"),
    "Networks and exact predictors": ("network", "predictors"),
    "The process": ("speed", "version"),
    "Errors": ("errors",),
}
"""Chapters of the API page, by the rooms that the names live in."""


def cli_page() -> str:
    """docs/cli.md."""
    os.environ["COLUMNS"] = WIDTH
    parts = [
        "# The command line",
        NOTE,
        "Options of samplers and caches depend on which is named: `unmask generate --sampler "
        "ancestral --help`. A whole spec may stand for a name, as in `--sampler "
        '"ancestral(num_steps=16)"` ([samplers.md](samplers.md)).',
        f"```text\n{usage()}\n```",
    ]
    for verb in VERBS:
        if verb != "lm-eval":
            parts += [f"## unmask {verb}", f"```text\n{help_of(verb).rstrip()}\n```"]
    parts += [
        "## unmask lm-eval",
        "The command line of lm-evaluation-harness, with `unmask` among its models: "
        "[questions.md](questions.md#lm-evaluation-harness).",
    ]
    return "\n\n".join(parts) + "\n"


def api_page() -> str:
    """docs/api.md."""
    parts = [
        "# From Python",
        NOTE,
        "All names of `import unmask`. What is not here may change without a word. Eight tasks "
        "as short scripts: [examples](../examples).",
    ]
    told: set[str] = set()
    for title, rooms in GROUPS.items():
        names = [name for name in unmask.__all__ if unmask._HOME[name].split(".")[0] in rooms]
        told |= set(names)
        parts.append(f"## {title}")
        parts += [_entry(name, getattr(unmask, name)) for name in names]
    if left := set(unmask.__all__) - told:
        raise SystemExit(f"docs/generate.py: {sorted(left)} belong to no chapter of GROUPS.")
    return "\n\n".join(parts) + "\n"


def _entry(name: str, value: Any) -> str:
    if isinstance(value, ModuleType):
        classes = [
            f"* `{name}.{key}{_signature(one)}`: {_first_line(one)}"
            for key, one in vars(value).items()
            if inspect.isclass(one) and one.__module__ == value.__name__ and is_dataclass(one)
        ]
        return f"### unmask.{name}\n\n" + "\n".join(classes)
    if isinstance(value, str):
        return f"### unmask.{name}\n\nThe version, as text."
    parts = [f"### unmask.{name}", f"```text\n{name}{_signature(value)}\n```", _doc(value)]
    if is_dataclass(value):
        parts.append(_fields(value))
    elif inspect.isclass(value) and not issubclass(value, Exception):
        parts += _methods(value)
    return "\n\n".join(part for part in parts if part)


def _methods(value: type) -> list[str]:
    """What a class has that does not begin with an underscore, in the order of its bases."""
    found = {}
    for base in reversed(value.__mro__):
        if base.__module__.startswith("unmask"):
            found |= {key: one for key, one in vars(base).items() if not key.startswith("_")}
    parts = []
    for key, one in found.items():
        if isinstance(one, property):
            parts.append(f"**`.{key}`** {_first_line(one)}")
        elif callable(one) or isinstance(one, classmethod | staticmethod):
            bare = inspect.unwrap(getattr(value, key))
            parts.append(f"**`.{key}{_signature(bare)}`**\n\n{_doc(bare)}")
    return parts


def _fields(value: type) -> str:
    sentences = _sentences(value)
    lines = [
        f"* `{field.name}` {sentences.get(field.name, '')}".rstrip() for field in fields(value)
    ]
    return "\n".join(lines)


def _sentences(value: type) -> dict[str, str]:
    """The docstrings behind the fields of a class and of its bases."""
    found: dict[str, str] = {}
    for base in reversed(value.__mro__):
        if not base.__module__.startswith("unmask"):
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(body, ast.ClassDef)
        for one, after in zip(body.body, body.body[1:], strict=False):
            is_sentence = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and is_sentence:
                found[one.target.id] = " ".join(str(after.value.value).split())
    return found


def _signature(value: Any) -> str:
    """The parameters with their defaults; types are in the source, which says shapes as well."""
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return ""
    made_anew = {}
    if is_dataclass(value):
        made_anew = {f.name: f.default_factory for f in fields(value)}
    parts, is_keyword = [], False
    for each in parameters:
        if each.name in ("self", "cls"):
            continue
        if each.kind is each.KEYWORD_ONLY and not is_keyword:
            is_keyword = True
            parts.append("*")
        name = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "") + each.name
        is_keyword |= each.kind is each.VAR_POSITIONAL
        if made_anew.get(each.name, MISSING) is not MISSING:
            parts.append(f"{name}={_plain(made_anew[each.name]())}")
        else:
            parts.append(name if each.default is each.empty else f"{name}={_plain(each.default)}")
    return f"({', '.join(parts)})"


def _plain(value: Any) -> str:
    text = repr(value) if not is_dataclass(value) else str(value)
    return re.sub(r"<function (\S+) at \w+>|<class '([\w.]+)'>", r"\1\2", text)


def _doc(value: Any) -> str:
    """A docstring as Markdown: what is indented (Args, Raises) becomes a list."""
    text = inspect.getdoc(value) or ""
    if is_dataclass(value) and text.startswith(f"{getattr(value, '__name__', '')}("):
        return ""
    parts, section = [], ""
    for line in text.splitlines():
        if re.fullmatch(r"(Args|Raises|Returns|Yields):", line):
            section = line
            parts.append(f"*{line}*\n")
        elif section and line.startswith("    ") and not line.startswith("     "):
            name, colon, rest = line.strip().partition(":")
            is_name = colon and " " not in name
            parts.append(f"* `{name}`:{rest}" if is_name else f"* {line.strip()}")
        elif section and line.startswith("     "):
            parts.append(f"  {line.strip()}")
        else:
            section = "" if line.strip() else section
            parts.append(line)
    return "\n".join(parts).strip()


def _first_line(value: Any) -> str:
    return (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    for name, page in {"cli.md": cli_page(), "api.md": api_page()}.items():
        (DOCS / name).write_text(page, encoding="utf-8")
        print(f"{DOCS / name}: {page.count(chr(10))} lines")
