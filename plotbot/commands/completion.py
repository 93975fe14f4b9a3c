"""`plotbot completion SHELL`: a script that completes the commands and options of plotbot in a shell."""

from __future__ import annotations

import argparse

from plotbot.errors import UsageProblem

HELP = "print a script that completes plotbot's commands and options in a shell"
SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help='bash: eval "$(plotbot completion bash)" in ~/.bashrc')


def run(args: argparse.Namespace) -> int:
    """Print the script. Raises `UsageProblem` where shtab, which makes it, is not installed or too old."""
    try:
        import shtab  # noqa: PLC0415  an extra
    except ImportError:
        raise UsageProblem("completion needs shtab: pip install 'plotbot[completion]'") from None
    # Here, because the package of the commands does not import one of them before it is asked for.
    from plotbot.commands import whole_parser  # noqa: PLC0415

    if args.shell not in shtab.SUPPORTED_SHELLS:
        raise UsageProblem(f"this version of shtab knows no {args.shell}: pip install -U shtab")
    print(shtab.complete(whole_parser(), shell=args.shell))
    return 0
