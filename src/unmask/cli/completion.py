"""`unmask completion SHELL`: a script by which a shell completes verbs and options."""

import contextlib
import io
import re
from collections.abc import Sequence

from unmask.cli.main import VERBS, main
from unmask.cli.options.parser import Parser
from unmask.files.model_folder import shipped_names

_BASH = """\
_unmask() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" verb="${{COMP_WORDS[1]}}" choices=""
    if [ "$COMP_CWORD" -eq 1 ] || [ "$verb" = help ]; then
        choices="{verbs}"
    else
        case "$verb" in
{cases}
        esac
        case "$word" in -*) ;; *) choices="{models}" ;; esac
    fi
    COMPREPLY=($(compgen -W "$choices" -- "$word"))
    [ ${{#COMPREPLY[@]}} -eq 0 ] && COMPREPLY=($(compgen -f -- "$word"))
}}
complete -o filenames -F _unmask unmask
"""
_ZSH = "autoload -U +X bashcompinit && bashcompinit\n" + _BASH


def run(arguments: Sequence[str]) -> int:
    """Print the script."""
    options = build_parser().parse(arguments)
    print(script(options.shell), end="")
    return 0


def build_parser() -> Parser:
    """The options of `unmask completion`."""
    parser = Parser(
        "completion",
        "Print a script by which a shell completes verbs, options and shipped models. For bash: "
        'eval "$(unmask completion bash)" in ~/.bashrc; for zsh the same in ~/.zshrc; for fish: '
        "unmask completion fish > ~/.config/fish/completions/unmask.fish.",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="Which shell.")
    return parser


def script(shell: str) -> str:
    """The script for bash, zsh or fish."""
    options = {verb: options_of(verb) for verb in VERBS}
    if shell == "fish":
        lines = ["complete -c unmask -f -n __fish_use_subcommand -a '" + " ".join(VERBS) + "'"]
        lines += [
            f"complete -c unmask -n '__fish_seen_subcommand_from {verb}' -l "
            + name.removeprefix("--")
            for verb, names in options.items()
            for name in names
        ]
        return "\n".join(lines) + "\n"
    cases = "\n".join(
        f'            {verb}) choices="{" ".join(names)}" ;;' for verb, names in options.items()
    )
    template = _ZSH if shell == "zsh" else _BASH
    return template.format(verbs=" ".join(VERBS), cases=cases, models=" ".join(shipped_names()))


def options_of(verb: str) -> list[str]:
    """The options that `unmask VERB --help` tells of."""
    if verb == "lm-eval":  # its own extra, and its own command line
        return ["--help"]
    told = help_of(verb)
    found = set(re.findall(r"^  (?:-\w, )?(--[\w.-]+)", told, re.M))
    # What is chosen by name stands in the last paragraph.
    return sorted(found | set(re.findall(r"(--[\w.]+) \{", told)))


def help_of(verb: str) -> str:
    """The text of `unmask VERB --help`."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main([verb, "--help"])
    return said.getvalue()
