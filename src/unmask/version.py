"""The version of the package, read from its metadata."""

from importlib.metadata import version

VERSION = version("unmask")
