"""The one fault of a load run; the command line prints it and exits with status 2."""

from shared.errors import FootfallError


class CannotLoad(FootfallError):
    """A load run cannot begin or go on; the message says why, and what to do."""
