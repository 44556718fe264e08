"""Client of a Cleanplate service: removes unwanted objects from photos."""

from __future__ import annotations

import collections.abc
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Sequence, Tuple, Union, get_args, get_origin, get_type_hints

from .models import Account, Candidate, Result

__all__ = ["Account", "Candidate", "CleanplateError", "Client", "Result"]

Picture = Union[str, Path, bytes]
Point = Tuple[int, int]


class CleanplateError(Exception):
    """A refusal. `code` is stable: `rate_limited`, `insufficient_credits`, `invalid`, ..."""

    def __init__(self, status: int, code: str, detail: Any, retry_after: Optional[int]) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail, self.retry_after = status, code, detail, retry_after


def _read(kind: Any, value: Any) -> Any:
    """The fields that `kind` knows; a newer service may tell more."""
    inner = get_args(kind)
    if get_origin(kind) is collections.abc.Sequence:
        return tuple(_read(inner[0], item) for item in value or ())
    if value is None:
        return None
    if get_origin(kind) is Union:
        return _read(inner[0], value)
    if not is_dataclass(kind):
        return value
    kinds = get_type_hints(kind)
    return kind(**{field.name: _read(kinds[field.name], value.get(field.name)) for field in fields(kind)})


def _form(files: Mapping[str, Picture]) -> Tuple[str, bytes]:
    boundary, parts = uuid.uuid4().hex, []
    for name, picture in files.items():
        data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
        filename = name if isinstance(picture, bytes) else Path(picture).name.replace('"', "_")
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'
        parts += [head.encode(), data, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)


class Client:
    """A service at `url`, used with an API key."""

    def __init__(self, url: str, key: str, timeout_s: float = 180) -> None:
        self._url, self._key, self._timeout_s = url.rstrip("/"), key, timeout_s

    def _call(
        self, path: str, files: Optional[Mapping[str, Picture]] = None, headers: Mapping[str, str] = {}, **query: Any
    ) -> bytes:
        given = {name: value for name, value in query.items() if value is not None}
        url = self._url + path + ("?" + urllib.parse.urlencode(given) if given else "")
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._key}", **headers})
        if files is not None:
            kind, request.data = _form(files)
            request.add_header("Content-Type", kind)
        return self._send(request)

    def _send(self, request: urllib.request.Request) -> bytes:
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as reply:
                return reply.read()
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
            try:
                body = json.loads(text)
            except ValueError:
                body = {"detail": text}
            wait = error.headers.get("Retry-After")
            raise CleanplateError(error.code, body.get("code", ""), body.get("detail"), int(wait) if wait else None) from None

    def remove(
        self,
        image: Optional[Picture] = None,
        mask: Optional[Picture] = None,
        *,
        image_url: Optional[str] = None,
        points: Optional[Sequence[Point]] = None,
        labels: Optional[Sequence[int]] = None,
        box: Optional[Sequence[int]] = None,
        asynchronous: bool = False,
        idempotency_key: Optional[str] = None,
        **options: Any,
    ) -> Result:
        """Removes what a mask, points or a box mark. `options`: dilate, feather, output_format, quality, pipeline, candidates, webhook_url."""
        sent = {"image": image, "mask": mask}
        files = {name: picture for name, picture in sent.items() if picture is not None}
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        prompts = {name: json.dumps(value) for name, value in [("points", points), ("labels", labels), ("box", box)] if value}
        options = {**options, **prompts, "image_url": image_url, "async": "true" if asynchronous else None}
        body = self._call("/v1/services/object-removal", files, headers, **options)
        return _read(Result, json.loads(body)["result"])

    def segment(
        self, image: Picture, points: Optional[Sequence[Point]] = None, labels: Optional[Sequence[int]] = None, box: Optional[Sequence[int]] = None
    ) -> bytes:
        """The mask of what points and a box mean, as a PNG."""
        prompts = {name: json.dumps(value) for name, value in [("points", points), ("labels", labels), ("box", box)] if value}
        return self._call("/v1/services/segmentation", {"image": image}, **prompts)

    def job(self, job_id: str) -> Result:
        """One job as it is now."""
        return _read(Result, json.loads(self._call(f"/v1/jobs/{job_id}"))["result"])

    def wait(self, job_id: str, pause_s: float = 0.5) -> Result:
        """Waits until a job has ended, well or not."""
        while (job := self.job(job_id)).status in ("pending", "processing"):
            time.sleep(pause_s)
        return job

    def jobs(self, status: Optional[str] = None) -> Iterator[Result]:
        """Every job of the account, newest first."""
        after = None
        while True:
            page = json.loads(self._call("/v1/jobs", status=status, after=after))
            yield from (_read(Result, job["result"]) for job in page["items"])
            after = page["next"]
            if after is None:
                return

    def account(self) -> Account:
        """Balance and prices."""
        return _read(Account, json.loads(self._call("/v1/account")))

    def download(self, url: str) -> bytes:
        """The bytes behind a signed address, which needs no key."""
        return self._send(urllib.request.Request(url))
