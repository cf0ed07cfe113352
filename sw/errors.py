"""The exception for bad input: one line that a user can act on."""


class InputError(ValueError):
    """Bad input from the user.

    The message is one line that names the value, the rule and what would be right. The command line
    prints it as it is and exits with a code other than 0; every other exception is a defect of ours.
    """
