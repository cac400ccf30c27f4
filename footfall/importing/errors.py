"""The one fault of an import; the command line prints it and exits with status 2."""

from shared.errors import FootfallError


class CannotImport(FootfallError):
    """An import cannot begin or go on; the message says why, and what to do."""
