"""What to say where the data of a `--dataset` are neither here nor to be had: all of it once."""

from __future__ import annotations

from common.errors import MissingDataError


def lacking(*, dataset, what, size, why, command, mock, more=""):
    """Return the error of a data set that is not here.

    Parameters
    ----------
    dataset : str
        As the user names it.
    what : str
        What is missing, in words.
    size : str
        How large it is, in words.
    why : str or MissingDataError
        Why it was not fetched.
    command : str
        What gets it; "" where nothing public does, and `more` says who has it.
    mock : str
        The command that runs now.
    more : str
        Another sentence, such as about a token.
    """
    why = getattr(why, "why", why)  # of an asset's own message the reason is enough
    gets = f" With a network, `{command}` gets them." if command else ""
    more = f" {more.strip()}" if more else ""
    return MissingDataError(
        f"--dataset {dataset}: {what} ({size}) are not here: {str(why).rstrip('.')}.{gets}{more} "
        f"Or name a folder that has them with --data-dir. Without: `{mock}` runs now."
    )
