"""The errors that a user may see. Each is one line that says what to change, and each has an exit code."""


class ConvzooError(Exception):
    """The base of every error that convzoo raises on purpose. The command line prints it without a traceback."""

    exit_code = 1


class RecipeError(ConvzooError):
    """A wrong command, recipe, part or argument."""

    exit_code = 2


class DataError(ConvzooError):
    """Data that are missing, unreadable or not what the recipe says."""

    exit_code = 3


class TrainingError(ConvzooError):
    """Training that cannot continue: a loss that is not finite, no memory, no device."""

    exit_code = 4


class CheckError(ConvzooError):
    """A check that the user asked for and that failed: a score outside `expect`, an export that differs."""

    exit_code = 5
