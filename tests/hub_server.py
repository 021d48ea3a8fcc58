"""A stand-in of the Hugging Face hub: the part of its HTTP interface that models are fetched and put by.

It keeps repositories in memory, a list of commits each, and which tokens it was shown. On this machine only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


class Hub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        """Files of each commit of each repository, from the first commit on."""
        self.commits = 0
        self.tokens: set[str | None] = set()
        self.fetched: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, name, files):
        """Add a commit with these files, beside those of the last one; returns its name."""
        commits = self.repositories.setdefault(name, {})
        self.commits += 1
        commit = hashlib.sha1(str(self.commits).encode()).hexdigest()
        commits[commit] = {**self.latest(name), **files}
        return commit

    def latest(self, name):
        return next(reversed(self.repositories[name].values()), {})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_):
        pass

    def answer(self, content=b"", status=200, **headers):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, code):
        self.answer({"error": code}, 404, X_Error_Code=code)

    def do_GET(self):
        self.server.tokens.add(self.headers.get("Authorization"))
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        is_api = parts[:2] == ["api", "models"]
        name = "/".join(parts[2:4] if is_api else parts[:2])
        if name not in self.server.repositories:
            return self.refuse("RepoNotFound")
        marks = [k for k, part in enumerate(parts) if part in ("resolve", "revision", "tree")]
        revision = parts[marks[0] + 1] if marks else "main"
        commits = self.server.repositories[name]
        commit = next(reversed(commits)) if revision == "main" else revision
        if commit not in commits:
            return self.refuse("RevisionNotFound")
        files = commits[commit]
        if not is_api:
            path = "/".join(parts[marks[0] + 2 :])
            if path not in files:
                return self.refuse("EntryNotFound")
            if self.command == "GET":
                self.server.fetched.append(path)
            etag = f'"{hashlib.sha1(files[path]).hexdigest()}"'
            return self.answer(files[path], X_Repo_Commit=commit, ETag=etag)
        if "tree" in parts:
            entries = [
                {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for path, content in files.items()
            ]
            return self.answer(entries)
        siblings = [{"rfilename": path, "size": len(content)} for path, content in files.items()]
        return self.answer({"id": name, "sha": commit, "siblings": siblings, "private": False, "tags": []})

    do_HEAD = do_GET

    def do_POST(self):
        self.server.tokens.add(self.headers.get("Authorization"))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parts = urlsplit(self.path).path.strip("/").split("/")
        if parts == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            if name not in self.server.repositories:
                self.server.commit(name, {})
            return self.answer({"url": f"{self.server.address}/{name}", "id": name})
        if parts == ["api", "validate-yaml"]:
            return self.answer({"errors": [], "warnings": []})
        name = "/".join(parts[2:4])
        if parts[4] == "preupload":
            files = json.loads(body)["files"]
            return self.answer(
                {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]}
            )
        assert parts[4] == "commit", self.path
        assert not parse_qs(urlsplit(self.path).query).get("create_pr")
        lines = [json.loads(line) for line in body.splitlines()]
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines if line["key"] == "file"
        }
        commit = self.server.commit(name, files)
        self.answer(
            {"success": True, "commitOid": commit, "commitUrl": f"{self.server.address}/{name}/commit/{commit}"}
        )
