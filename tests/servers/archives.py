"""The hub, Zenodo, LAMOST and Gaia's data server, in their layouts."""

import hashlib
import io
import json
import zipfile
from urllib.parse import unquote

from tests.servers.loopback import LOGIN, Answer, ranged


def hub(files):
    """Return an app: `files` of "owner/name/file" are redirected to where they lie."""

    def app(request):
        if request.path.startswith("/cdn/"):
            return ranged(files[request.path.removeprefix("/cdn/")], request)
        if not request.path.startswith("/datasets/") or "/resolve/" not in request.path:
            return None
        repo, _, name = request.path.removeprefix("/datasets/").partition("/resolve/")
        body = files.get(f"{repo}/{name.split('/', 1)[1]}")
        if body is None:
            return Answer(b"Entry not found", 404, {"X-Error-Code": "EntryNotFound"})
        return Answer(b"", 302, {
            "Location": f"/cdn/{repo}/{name.split('/', 1)[1]}", "X-Repo-Commit": "0" * 40,
            "X-Linked-Size": str(len(body)),
            "X-Linked-Etag": f'"{hashlib.sha256(body).hexdigest()}"',
        })  # fmt: skip

    return app


def zenodo(number, files):
    """Return an app: a record with its files, which are redirected to."""

    def app(request):
        base = f"/api/records/{number}"
        if request.path == base:
            sums = {name: f"md5:{hashlib.md5(body).hexdigest()}" for name, body in files.items()}
            rows = [{"key": k, "size": len(files[k]), "checksum": v} for k, v in sums.items()]
            return Answer(json.dumps({"id": number, "files": rows}).encode())
        if request.path.startswith("/store/"):
            return ranged(files[unquote(request.path.removeprefix("/store/"))], request)
        if request.path.startswith(f"{base}/files/") and request.path.endswith("/content"):
            name = request.path.removeprefix(f"{base}/files/").removesuffix("/content")
            return Answer(b"", 302, {"Location": f"/store/{name}"})
        return None

    return app


def lamost(spectra, catalogues, *, token, page=True):
    """Return an app: files by obsid and name, with a token; else a login page, or status 403."""

    def app(request):
        if request.path.endswith("/lrs/spectrum/fits"):
            body = spectra.get(request.query.get("obsid"))
        elif request.path.endswith("/catdl"):
            body = catalogues.get(request.query.get("name"))
        else:
            return None
        if token is not None and request.query.get("token") != token:
            return Answer(LOGIN if page else b"", 200 if page else 403)
        return Answer(b"", 404) if body is None else ranged(body, request)

    return app


def data_server(write):
    """Return an app: Gaia's data server, of which `write(product, ids)` makes {name: bytes}."""

    def app(request):
        if request.path != "/data":
            return None
        form = request.form or request.query
        ids = [int(i) for i in form["ID"].split(",")]
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as bundle:
            for name, body in write(form["RETRIEVAL_TYPE"], ids).items():
                bundle.writestr(name, body)
        return Answer(out.getvalue(), 200, {"Content-Type": "application/zip"})

    return app
