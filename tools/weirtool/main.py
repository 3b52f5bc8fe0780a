"""Reads the command line, and runs the module of that subcommand. Such a module has

    SUMMARY             one line, for the list of subcommands
    add_arguments(p)    its arguments, for argparse
    run(options)        does it; returns the exit status

and may raise Failure."""

import argparse
import signal
import sys

from weirtool import dump, info, trace
from weirtool.failure import Failure

COMMANDS = {"info": info, "dump": dump, "trace": trace}


def parser():
    top = argparse.ArgumentParser(prog="weir", description="Looks into Weir and the programs that use it.")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        one = commands.add_parser(name, help=module.SUMMARY, description=module.__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(one)
    return top


def main(arguments=None):
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # weir info | head
    options = parser().parse_args(arguments)
    try:
        return COMMANDS[options.command].run(options)
    except Failure as failure:
        print(f"weir: {failure}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"weir: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
