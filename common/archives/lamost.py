"""LAMOST's catalogues and low-resolution spectra, by obsid and with the user's own token."""

from __future__ import annotations

from common.archives.tree import Item, fetch_many
from common.assets.registry import server
from common.assets.tokens import Token
from common.assets.transfer import download
from common.assets.web import REFUSED, ServerError, Web
from common.errors import SuiteError

TOKEN = Token("LAMOST_TOKEN", "from your account at lamost.org; recent public releases need none")
SIZE = 110_000  # bytes of a packed spectrum, about


def session(**options):
    """Return a `Web` that shows the user's token nowhere."""
    return Web(secrets=[TOKEN.value], **options)


def _asked(error):
    """Return an error that asks for the token, where the server refused or showed its login."""
    refused = getattr(error, "status", None) in REFUSED
    login = "an HTML page" in str(error)
    if not (refused or login):
        return error
    given = f"with the token of {TOKEN.variable}" if TOKEN.value else "without a token"
    text = f"LAMOST's server gave nothing {given}. {TOKEN.asked_for()} (It said: {error})"
    return ServerError(text, REFUSED[0])  # a login page is a refusal, whatever its status


def _params(**more):
    return more | ({"token": TOKEN.value} if TOKEN.value else {})


def fetch_catalogue(name, folder, *, release, version, web, shown=True):
    """Fetch a catalogue of a release.

    Parameters
    ----------
    name : str
        Such as "dr9_v1.1_LRS_stellar.fits.gz".
    folder : path-like
    release, version : str
        Such as "dr9" and "v1.1".
    web : common.assets.web.Web
        Of `session`.
    shown : bool
        Show a progress bar.

    Returns
    -------
    Path

    Raises
    ------
    MissingDataError
        If it could not be had; asks for the token where that is why.
    """
    url = f"{server('lamost')}/{release}/{version}/catdl"
    try:
        return download(url, folder / name, web=web, params=_params(name=name), shown=shown)
    except SuiteError as error:
        raise _asked(error) from None


def name_of(obsid):
    """Return the name of a spectrum's file below the folder of spectra."""
    return f"{str(obsid)[:3]}/spec-{obsid}.fits.gz"


def here(obsids, folder):
    """Return the files of some spectra that a folder has, list of Path."""
    return [file for i in obsids if (file := folder / name_of(i)).is_file()]


def fetch_spectra(obsids, folder, *, release, version, web, shown=True):
    """Fetch low-resolution spectra.

    Parameters
    ----------
    obsids : sequence of str or int
    folder : path-like
        Gets spec-OBSID.fits.gz in a folder for each thousand of obsids' first digits.
    release, version, web, shown
        As of `fetch_catalogue`.

    Returns
    -------
    common.archives.tree.Fetched

    Raises
    ------
    MissingDataError
        If none could be had; asks for the token where that is why.
    """
    url = f"{server('lamost')}/openapi/{release}/{version}/lrs/spectrum/fits"
    items = [Item(str(i), url, name_of(i), _params(obsid=str(i))) for i in obsids]

    def one(*args, **options):
        try:
            return download(*args, **options)
        except SuiteError as error:
            raise _asked(error) from None

    return fetch_many(items, folder, web=web, label="LAMOST spectra", shown=shown, fetch=one)
