"""One file over a bad line: the right thing arrives, or a clear error and the next try goes on."""

import hashlib
import logging
import multiprocessing
import time
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.assets.transfer import download
from common.assets.web import ServerError, Web, retry_after, user_agent
from common.errors import SuiteError
from tests.servers import Answer, Loopback
from tests.servers.loopback import changed, circle, cut, login, status

FITS = (b"SIMPLE  =                    T" + b" " * 50 + b"END" + b" " * 5677) + bytes(
    range(256)
) * 45
ASKED = "/tree/spec.fits"


def quick(**options):
    """A session whose pauses take no time, and that notes them."""
    settings = dict(tries=3, pause=0.001, longest=5.0, timeout=(2.0, 0.3), patience=0.3)
    web = Web(**(settings | options))
    web.held = []
    web.hold = web.held.append
    return web


@pytest.fixture
def server():
    with Loopback(files={ASKED: FITS}) as made:
        yield made


@pytest.fixture
def web():
    with quick() as made:
        yield made


def fetch(server, folder, web, **options):
    return download(server.url + ASKED, folder / "spec.fits", web=web, shown=False, **options)


def left(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_arrives_once_with_a_name_of_ours(server, tmp_path, web):
    assert len(FITS) % 2880 == 0
    path = fetch(server, tmp_path / "deep", web, size=len(FITS),
                 sha256=hashlib.sha256(FITS).hexdigest())  # fmt: skip
    assert path.read_bytes() == FITS and left(tmp_path / "deep") == ["spec.fits"]
    fetch(server, tmp_path / "deep", web)
    assert len(server.requests) == 1, "what is here is not asked for again"
    assert server.requests[0].headers["user-agent"] == user_agent()
    assert user_agent().startswith("spectra-reproductions")


def test_a_cut_in_the_middle_goes_on_with_a_range(server, tmp_path, web):
    server.faults += [cut(6000), cut(3000)]
    assert fetch(server, tmp_path, web).read_bytes() == FITS
    sent = [r.headers.get("range") for r in server.requests]
    assert sent == [None, "bytes=6000-", "bytes=9000-"]
    assert server.requests[1].headers["if-range"].startswith('"')


@settings(max_examples=12)
@given(st.lists(st.integers(0, 2 * len(FITS)), max_size=4))
def test_whatever_the_cuts_the_file_is_the_file(tmp_path_factory, cuts):
    with Loopback(files={ASKED: FITS}) as server, quick(tries=6) as web:
        server.faults += map(cut, cuts)
        folder = tmp_path_factory.mktemp("cut")
        assert fetch(server, folder, web).read_bytes() == FITS and left(folder) == ["spec.fits"]


def test_cut_at_every_try_says_what_is_here_and_a_second_call_goes_on(server, tmp_path, web):
    server.faults += [cut(1000)] * 3
    with pytest.raises(ServerError, match=r"cut again and again; 3000 of 17280 bytes"):
        fetch(server, tmp_path, web)
    assert "spec.fits" not in left(tmp_path) and "spec.fits.partial" in left(tmp_path)
    assert fetch(server, tmp_path, web).read_bytes() == FITS
    assert server.requests[-1].headers["range"] == "bytes=3000-"
    assert left(tmp_path) == ["spec.fits"]


def test_a_file_that_changes_between_two_ranges_begins_again(server, tmp_path, web):
    other = FITS[:5760] + b"z" * (len(FITS) - 5760)

    def change(request, answer):
        server.files[ASKED] = other
        return cut(7000)(request, answer)

    server.faults.append(change)
    assert fetch(server, tmp_path, web).read_bytes() == other


def test_a_server_that_ignores_if_range_is_found_out(server, tmp_path, web):
    """It answers with the rest of another file, status 206."""
    other = FITS[:5760] + b"z" * (len(FITS) - 5760)
    rest = {"ETag": '"other"', "Content-Range": f"bytes 7000-{len(FITS) - 1}/{len(FITS)}"}
    server.faults += [cut(7000), lambda r, a: Answer(other[7000:], 206, rest)]
    server_files = server.files

    def whole(request, answer):
        server_files[ASKED] = other
        return Answer(other, 200, {"ETag": '"other"'})

    server.faults.append(whole)
    assert fetch(server, tmp_path, web).read_bytes() == other


def test_without_a_validator_a_rest_is_not_trusted(server, tmp_path, web):
    server.faults += [changed(headers={}, sent=6000)] * 2
    assert fetch(server, tmp_path, web).read_bytes() == FITS
    assert all("range" not in r.headers for r in server.requests)


def test_what_is_here_whole_but_has_no_name_yet_is_taken(server, tmp_path, web):
    server.faults += [cut(9000)] * 3
    with pytest.raises(ServerError):
        fetch(server, tmp_path, quick(tries=1))
    partial = tmp_path / "spec.fits.partial"
    partial.write_bytes(FITS)
    assert fetch(server, tmp_path, web).read_bytes() == FITS


@pytest.mark.parametrize("code", [429, 503])
def test_the_pause_that_a_server_asks_for_is_kept(server, tmp_path, web, code):
    server.faults += [status(code, Retry_After="3"), status(code)]
    assert fetch(server, tmp_path, web).read_bytes() == FITS
    assert web.held == [3.0, 0.002]


def test_a_pause_is_really_waited_for_by_all(server, tmp_path):
    with Web(tries=2, pause=0.01, timeout=(2, 2), patience=2) as web:
        server.faults.append(status(503, Retry_After="1"))
        began = time.monotonic()
        fetch(server, tmp_path, web)
        assert time.monotonic() - began >= 0.99


def test_a_pause_that_is_too_long_is_an_answer(server, tmp_path, web):
    server.faults.append(status(503, Retry_After="3600"))
    with pytest.raises(ServerError, match=r"asks to wait for 3600 s.*goes on where it stopped"):
        fetch(server, tmp_path, web)
    assert len(server.requests) == 1


def test_retry_after_may_be_a_date():
    class Dated:
        headers = {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}  # noqa: RUF012

    assert retry_after(Dated) == 0.0
    Dated.headers = {"Retry-After": "soon"}
    assert retry_after(Dated) is None


def test_a_server_that_stays_busy_is_given_up(server, tmp_path, web):
    server.always = status(503)
    with pytest.raises(ServerError, match=r"no answer after 3 tries \(HTTP status 503\)"):
        fetch(server, tmp_path, web)
    assert len(server.requests) == 3 and web.held == [0.001, 0.002, 0.004]


@pytest.mark.parametrize("code, says", [(404, "no such file"), (401, "a login or a token")])
def test_what_no_second_try_helps_with_is_asked_once(server, tmp_path, web, code, says):
    server.always = status(code)
    with pytest.raises(ServerError, match=says):
        fetch(server, tmp_path, web)
    assert len(server.requests) == 1


def test_a_refused_connection_is_told_without_addresses_in_memory(tmp_path, web):
    with Loopback() as gone:
        pass
    with pytest.raises(ServerError, match=r"after 3 tries \(the connection was refused\)") as error:
        fetch(gone, tmp_path, web)
    assert "0x" not in str(error.value)
    assert left(tmp_path) == ["spec.fits.lock"]


def test_a_circle_of_redirects_ends(server, tmp_path, web):
    server.always = circle
    with pytest.raises(ServerError, match="redirected more than 10 times"):
        fetch(server, tmp_path, web)


def test_a_login_page_is_never_kept_as_a_file(server, tmp_path, web):
    server.faults.append(login)
    with pytest.raises(SuiteError, match=r"spec.fits is an HTML page \(Please log in\)"):
        fetch(server, tmp_path, web)
    assert left(tmp_path) == ["spec.fits.lock"]
    assert fetch(server, tmp_path, web).read_bytes() == FITS


def test_a_wrong_hash_is_never_kept(server, tmp_path, web):
    server.faults.append(changed(body=b"y".join([FITS[:6000], FITS[6001:]])))
    right = {"sha256": hashlib.sha256(FITS).hexdigest(), "md5": hashlib.md5(FITS).hexdigest()}
    with pytest.raises(SuiteError, match=f"allowed: {right['sha256']}"):
        fetch(server, tmp_path, web, **right)
    assert left(tmp_path) == ["spec.fits.lock"]
    assert fetch(server, tmp_path, web, **right).read_bytes() == FITS


def test_a_wrong_length_is_found(server, tmp_path, web):
    server.faults.append(changed(announced=len(FITS) + 9))  # and then the connection ends
    assert fetch(server, tmp_path / "more", web).read_bytes() == FITS
    server.faults.append(changed(announced=9000))
    with pytest.raises(SuiteError, match="9000 bytes, which is no whole number of FITS blocks"):
        fetch(server, tmp_path / "less", web)
    with pytest.raises(SuiteError, match="announces 17280 bytes; allowed: 20160"):
        fetch(server, tmp_path / "known", web, size=20160)
    assert left(tmp_path / "known") == ["spec.fits.lock"]


def test_bytes_that_drip_are_given_up_and_gone_on_with(server, tmp_path):
    server.faults += [changed(drip=0.02), changed(drip=0.02)]
    with quick(slowest=1000.0, patience=0.15) as web:
        assert fetch(server, tmp_path, web).read_bytes() == FITS
    assert [bool(r.headers.get("range")) for r in server.requests] == [False, True, True]


def test_a_head_that_does_not_come_is_given_up(server, tmp_path):
    server.always = changed(before=0.4)
    with quick(tries=2, patience=0.1, timeout=(1, 5)) as web:
        with pytest.raises(ServerError, match=r"after 2 tries \(no answer in time\)"):
            fetch(server, tmp_path, web)
    time.sleep(0.5)  # until the server's own threads have ended


def test_a_token_is_in_no_error_log_or_file(server, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    secret, seen = "s3cr3t/+ t0ken", []
    with Loopback() as gone:
        pass
    server.faults.append(cut(100))
    places = {"spec.fits": server.url + ASKED, "a.fits": gone.url, "b.fits": f"{server.url}/none"}
    for name, place in places.items():
        with quick(secrets=[secret], tries=1 if name == "spec.fits" else 2) as web:
            with pytest.raises(ServerError) as caught:
                query = {"token": secret}
                download(place, tmp_path / name, web=web, params=query, shown=False)
        error = caught.value
        seen += [str(error), repr(error), "".join(traceback.format_exception(error))]
    seen += [p.read_text("latin1") for p in tmp_path.iterdir()] + [caplog.text]
    assert len(seen) > 6 and "token=***" in caplog.text
    assert not [text for text in seen if "s3cr3t" in text]
    assert server.asked(ASKED)[0].query["token"] == secret


def _other(url, folder, queue):
    with quick() as web:
        queue.put(download(url, folder / "spec.fits", web=web, shown=False).read_bytes() == FITS)


def test_a_second_process_waits_and_takes_what_the_first_fetched(server, tmp_path):
    server.always = changed(before=0.15)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    workers = [
        context.Process(target=_other, args=(server.url + ASKED, tmp_path, queue)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    assert [queue.get(timeout=20) for _ in workers] == [True, True]
    for worker in workers:
        worker.join()
    assert len(server.requests) == 1


def test_a_proxy_of_the_environment_is_used(server, tmp_path, web, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, server.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    server.apps.append(lambda r: Answer(FITS) if r.path.endswith("spec.fits") else None)
    download("http://archive.invalid/spec.fits", tmp_path / "spec.fits", web=web, shown=False)
    assert (tmp_path / "spec.fits").read_bytes() == FITS
