"""Asking servers politely: named, few at a time, slower when they say so, and never for ever."""

from __future__ import annotations

import logging
import queue
import threading
import time
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import quote, quote_plus

import requests

from common.errors import MissingDataError
from common.network import switched_off

NAME = "spectra-reproductions"
TRANSIENT = (429, 500, 502, 503, 504)
REFUSED = (401, 403)
HIDDEN = "***"
OFFLINE = "fetching is switched off (offline)"
NO_NETWORK = "its name cannot be resolved: is there a network?"
PASSING = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class ServerError(MissingDataError):
    """A server that gave no usable answer.

    Parameters
    ----------
    message : str
    status : int, optional
        HTTP status of the last answer; 0 where there was none.
    """

    def __init__(self, message, status=0):
        super().__init__(message)
        self.status = status


def user_agent():
    """Return how this project names itself to servers."""
    try:
        return f"{NAME}/{version(NAME)}"
    except PackageNotFoundError:  # run from a folder that was never installed
        return NAME


class _Hide(logging.Filter):
    """Takes secrets out of the messages of urllib3, which logs whole addresses."""

    def __init__(self, web):
        super().__init__()
        self.web = web

    def filter(self, record):
        """Keep the record, without secrets."""
        record.msg, record.args = self.web.hidden(record.getMessage()), ()
        return True


class Web(requests.Session):
    """A session that waits, tries again and gives up with a clear error.

    Proxies, certificates and the like come from the usual environment variables (HTTPS_PROXY,
    NO_PROXY, REQUESTS_CA_BUNDLE).

    Parameters
    ----------
    tries : int
        Requests for the same thing before giving up.
    pause : float
        Seconds before the second one; doubled each time.
    longest : float
        Longest pause in seconds that is waited for, also where the server names it (Retry-After).
    timeout : (float, float)
        Seconds for a connection, and for a single piece of an answer.
    patience : float
        Seconds in which the head of an answer has to be here, and over which `slowest` is measured.
        A request with a longer timeout of its own, such as one that waits for a job, has that.
    slowest : float
        Bytes per second below which an answer counts as stuck.
    workers : int
        Requests under way at once, where there are many.
    secrets : sequence of str
        What no message, error or log may show.
    """

    def __init__(self, *, tries=5, pause=1.0, longest=120.0, timeout=(15.0, 60.0), patience=60.0,
                 slowest=200.0, workers=4, secrets=()):  # fmt: skip
        super().__init__()
        self.tries, self.pause, self.longest, self.timeout = tries, pause, longest, timeout
        self.patience, self.slowest, self.workers = patience, slowest, workers
        self.secrets = [secret for secret in secrets if secret]
        self.max_redirects = 10
        self.headers["User-Agent"] = user_agent()
        self._gate, self._not_before = threading.Lock(), 0.0
        self._hide = _Hide(self)
        if self.secrets:
            logging.getLogger("urllib3.connectionpool").addFilter(self._hide)

    def close(self):
        """Close all connections."""
        logging.getLogger("urllib3.connectionpool").removeFilter(self._hide)
        super().close()

    def hidden(self, text):
        """Return a text without the secrets."""
        text = str(text)
        for secret in self.secrets:
            for form in {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}:
                text = text.replace(form, HIDDEN)
        return text

    def request(self, method, url, **options):
        """Send a request as `requests.Session.request` does, and again where that may help.

        Returns
        -------
        requests.Response
            Of a status below 400, or 416.

        Raises
        ------
        ServerError
            If the server cannot be reached, refuses, does not know the address, keeps failing, or
            asks for a longer pause than `longest`.
        """
        if switched_off():
            raise ServerError(f"{self.hidden(url)}: {OFFLINE}")
        options.setdefault("timeout", self.timeout)
        why, status = "", 0
        for attempt in range(self.tries):
            self.wait()
            try:
                answer = self._within_patience(method, url, options)
            except requests.TooManyRedirects:
                raise ServerError(
                    f"{self.hidden(url)}: redirected more than {self.max_redirects} times in a "
                    "circle. Try again later, or name a mirror."
                ) from None
            except PASSING as error:
                why, status = _told(error), 0
                if why == NO_NETWORK and attempt:
                    break  # to wait for a network is not for us
                self.hold(self.pause * 2**attempt)
                continue
            except (requests.RequestException, ValueError) as error:
                raise ServerError(self.hidden(f"{url}: {_told(error)}")) from None
            status = answer.status_code
            if status < 400 or status == 416:
                return answer
            wait = retry_after(answer)
            answer.close()
            if status not in TRANSIENT:
                raise ServerError(self.hidden(f"{url}: {_meaning(status)}"), status)
            why = f"HTTP status {status}"
            if wait is not None and wait > self.longest:
                raise ServerError(
                    self.hidden(f"{url}: {why}, and the server asks to wait for {wait:.0f} s. Run")
                    + " the same command after that; it goes on where it stopped.",
                    status,
                )
            self.hold(self.pause * 2**attempt if wait is None else wait)
        raise ServerError(
            self.hidden(f"{url}: no answer after {attempt + 1} tries ({why})."), status
        ) from None

    def _within_patience(self, method, url, options):
        """Send one request; `requests.Timeout` where its head takes longer than the patience."""
        box = queue.SimpleQueue()

        def work():
            try:
                box.put((requests.Session.request(self, method, url, **options), None))
            except BaseException as error:
                box.put((None, error))

        threading.Thread(target=work, daemon=True).start()
        usual = options["timeout"] == self.timeout
        limit = self.patience if usual else max(self.patience, float(options["timeout"]))
        try:
            answer, error = box.get(timeout=limit)
        except queue.Empty:
            raise requests.Timeout(f"no answer within {limit:g} s") from None
        if error is not None:
            raise error
        return answer

    def hold(self, seconds):
        """Let all requests of this session wait for a while."""
        with self._gate:
            until = time.monotonic() + min(seconds, self.longest)
            self._not_before = max(self._not_before, until)

    def wait(self):
        """Wait until the next request may be sent."""
        while (left := self._not_before - time.monotonic()) > 0:
            time.sleep(left)


def retry_after(answer):
    """Return the seconds of an answer's Retry-After, None where it has none that can be read."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _meaning(status):
    if status in REFUSED:
        return f"HTTP status {status}: the server refuses; it may want a login or a token"
    if status in (404, 410):
        return f"HTTP status {status}: there is no such file or address on this server"
    return f"HTTP status {status}"


def _told(error):
    """Return why a request failed, in few words: requests' own texts name objects in memory."""
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy cannot be reached"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate cannot be verified"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if "refused" in str(error).lower():
        return "the connection was refused"
    if "resolve" in str(error).lower() or "resolution" in str(error).lower():
        return NO_NETWORK
    if isinstance(error, requests.ConnectionError):
        return "the connection failed"
    return type(error).__name__
