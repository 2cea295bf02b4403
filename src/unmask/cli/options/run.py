"""Where a training run lies, whether to go on with it, and the text it reads."""

from unmask.cli.options.parser import Parser


def add_folder_options(parser: Parser) -> None:
    """--out and --resume."""
    parser.add_argument(
        "--out",
        type=str,
        default="",
        help="Folder of the run: a new one, or with --resume auto one to go on with.",
    )
    parser.add_argument(
        "--resume",
        choices=["never", "auto"],
        default="never",
        help="auto: go on from the newest checkpoint in --out, or start if there is none.",
    )


def add_text_options(parser: Parser) -> None:
    """--data and --normalise."""
    parser.add_argument(
        "--data", type=str, default="", help="Text to learn from: plain, .gz, .xz or .zip."
    )
    parser.add_argument(
        "--normalise", action="store_true", help="Bring the text into text8's form: a-z, spaces."
    )
