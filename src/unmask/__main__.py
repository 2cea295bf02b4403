"""`python -m unmask` is `unmask`."""

from unmask.cli.main import entry

if __name__ == "__main__":
    entry()
