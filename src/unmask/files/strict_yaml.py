"""YAML of settings, read so that nothing is taken for what it was not meant as.

Numbers, truth and nothing are those of YAML 1.2: `1:30` is a text and not ninety, `010` is ten,
`on` is a text. A key that stands twice in a section, sets, anchors and their aliases are refused,
as tags of other kinds are.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Plain values, lists and sections."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(
                None,
                None,
                "anchors and aliases are not read here",
                self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, Hashable) or name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {name!r:.40} stands here twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


# Not those of the parent, which are YAML 1.1's.
_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"[-+]?[0-9]{1,400}", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.?inf",
        "-+.0123456789i",
    ),
):  # fmt: skip
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first) + [""]
    )


def _number(loader: Any, node: Any) -> float | int:
    text = loader.construct_scalar(node).replace(".inf", "inf")
    return int(text) if node.tag.endswith(":int") else float(text)


def is_odd_number(text: str) -> bool:
    """Whether older YAML, or Python, takes for a number what nobody writes for one."""
    return bool(_ODD.fullmatch(text))


_ODD = re.compile(
    r"[-+]?(\d[\d_]*(:[0-5]?\d)+(\.\d*)?|\d[\d_.]*_[\d_.]*([eE][-+]?\d+)?|0[xXoObB][\da-fA-F_]+)"
)


def _text(loader: Any, node: Any) -> str:
    text: str = loader.construct_scalar(node)
    if node.style is None and is_odd_number(text):
        raise yaml.constructor.ConstructorError(
            None, None, f"{text[:40]!r} is no number; put it in quotes if a text is meant",
            node.start_mark,
        )  # fmt: skip
    return text


_Loader.add_constructor("tag:yaml.org,2002:str", _text)


def _refused(loader: Any, node: Any) -> Any:
    return loader.construct_undefined(node)


for _tag in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _number)
for _tag in ("set", "omap", "pairs", "binary", "timestamp"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _refused)


def load(text: str) -> Any:
    """A document. Raises `yaml.YAMLError`."""
    try:
        return _Loader(text).get_single_data()
    except (RecursionError, ValueError) as error:
        raise yaml.YAMLError(str(error) or "it is nested too deeply") from error
