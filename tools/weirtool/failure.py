"""What a subcommand raises to end with a line on stderr and the status 1."""


class Failure(Exception):
    pass
