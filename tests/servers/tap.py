"""A TAP service: jobs of UWS 1.1, uploads, VOTable; ADQL is answered by SQLite."""

import io
import itertools
import re
import sqlite3
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import pandas as pd
from astropy.io.votable import parse_single_table
from astropy.table import Table

from tests.servers.loopback import Answer, ranged

JOB = """<?xml version="1.0" encoding="UTF-8"?>
<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" version="1.1">
<uws:jobId>{id}</uws:jobId><uws:ownerId xsi:nil="true"/><uws:phase>{phase}</uws:phase>
<uws:quote xsi:nil="true"/><uws:executionDuration>600</uws:executionDuration>
<uws:destruction>{until}</uws:destruction>
<uws:parameters/><uws:results>{results}</uws:results>{error}
</uws:job>"""


class Tap:
    """Answers below a path such as "/tap"; `tables` are names to DataFrames."""

    def __init__(self, path, tables):
        self.path, self.tables, self.jobs = path, tables, {}
        self.queries, self._number, self.polls = [], itertools.count(1), 0
        self.overflow = False

    def __call__(self, request):
        if not request.path.startswith(self.path + "/async"):
            return None
        parts = request.path.removeprefix(self.path + "/async").strip("/").split("/")
        if parts == [""] and request.method == "POST":
            return self._create(request)
        job = self.jobs.get(parts[0])
        if job is None:
            return Answer(b"no such job", 404)
        if parts[1:] == ["phase"]:
            job["phase"] = "QUEUED"
            return self._see_other(request, parts[0])
        if parts[1:] == ["results", "result"]:
            return ranged(job["result"], request)
        if request.method == "DELETE":
            del self.jobs[parts[0]]
            return self._see_other(request, "")
        return self._show(request, parts[0], job)

    def _see_other(self, request, name):
        url = f"http://{request.headers['host']}{self.path}/async/{name}"
        return Answer(b"", 303, {"Location": url})

    def _create(self, request):
        fields, uploads = _fields(request)
        name = str(next(self._number))
        self.queries.append(fields["QUERY"])
        self.jobs[name] = {"phase": "PENDING", "query": fields["QUERY"], "uploads": uploads}
        return self._see_other(request, name)

    def _show(self, request, name, job):
        if job["phase"] == "QUEUED":
            self.polls += 1
            self._run(job)
        results = error = ""
        if job["phase"] == "COMPLETED":
            url = f"http://{request.headers['host']}{self.path}/async/{name}/results/result"
            results = f'<uws:result id="result" xlink:href="{url}"/>'
        if job["phase"] == "ERROR":
            error = (f'<uws:errorSummary type="fatal" hasDetail="false"><uws:message>{job["error"]}'
                     "</uws:message></uws:errorSummary>")  # fmt: skip
        text = JOB.format(id=name, until=_soon(), phase=job["phase"], results=results, error=error)
        return Answer(text.encode(), 200, {"Content-Type": "text/xml"})

    def _run(self, job):
        base = sqlite3.connect(":memory:")
        query = job["query"]
        for name, table in (self.tables | job["uploads"]).items():
            plain = name.replace(".", "__")
            table.to_sql(plain, base, index=False)
            query = re.sub(rf"\b{re.escape(name)}\b", plain, query)
        try:
            job["result"] = _votable(pd.read_sql(query, base), self.overflow)
            job["phase"] = "COMPLETED"
        except (pd.errors.DatabaseError, sqlite3.Error) as error:
            job["phase"], job["error"] = "ERROR", str(error).replace("<", "")
        finally:
            base.close()


def _soon():
    return (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _fields(request):
    """Return the fields and uploaded tables of a form, also of one with parts."""
    kind = request.headers["content-type"]
    if not kind.startswith("multipart"):
        return request.form, {}
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    parts = {p.get_param("name", header="content-disposition"): p.get_payload(decode=True)
             for p in message_from_bytes(head + request.body).get_payload()}  # fmt: skip
    fields = {k: v.decode() for k, v in parts.items() if k in ("QUERY", "UPLOAD", "LANG")}
    uploads = {}
    for pair in filter(None, fields.get("UPLOAD", "").split(";")):
        name, where = pair.split(",")
        votable = parts[where.removeprefix("param:")]
        table = parse_single_table(io.BytesIO(votable)).to_table().to_pandas()
        uploads[f"TAP_UPLOAD.{name}"] = table
    return fields, uploads


def _votable(frame, overflow):
    for name in frame:
        if frame[name].isna().all():
            frame[name] = frame[name].astype(float)
    out = io.BytesIO()
    Table.from_pandas(frame).write(out, format="votable", tabledata_format="binary2")
    text = out.getvalue()
    if overflow:
        said = b'<INFO name="QUERY_STATUS" value="OVERFLOW"/>'
        text = text.replace(b"</RESOURCE>", said + b"</RESOURCE>")
    return text
