"""What the service answers, made from its description by generate.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Optional, Sequence


@dataclass(frozen=True)
class Candidate:
    """One of several pictures that a removal could give."""

    #: Whether the result is this one. None of them is where parts of the hole keep different fills.
    chosen: bool
    #: Name of the fill in the pipeline, such as `network` or `patches`.
    name: str
    #: Its score, the mean over the parts of the hole; the highest wins. Null where there was nothing to compare.
    score: Optional[float]
    #: Signed address of the picture, in the result's format.
    url: str


#: State of a job. Completed and failed are final.
JobStatus = Literal["pending", "processing", "completed", "failed"]


@dataclass(frozen=True)
class Result:
    """Result of one photo."""

    #: With `candidates=n`: what each fill alone gives, the one that is the result first, then by score. Empty when they were
    #: not asked for, or the pipeline makes one fill.
    candidates: Sequence[Candidate]
    #: Credits charged; 0 unless completed.
    credits_used: int
    #: Why it failed.
    error: Optional[str]
    #: Name the client gave its photo.
    input_filename: str
    #: The job.
    job_id: str
    #: The mask's share of the photo after growing, 0..1; null until completed.
    mask_share: Optional[float]
    #: Signed address of the mask that was used, after growing; null until completed.
    mask_url: Optional[str]
    #: Height of the photo as displayed, in pixels.
    original_height: int
    #: Width of the photo as displayed, in pixels.
    original_width: int
    #: Height of the result in pixels; null until completed.
    output_height: Optional[int]
    #: Signed address of the result; null until completed.
    output_url: Optional[str]
    #: Width of the result in pixels; null until completed.
    output_width: Optional[int]
    #: Time on the device, decoding and encoding included, in milliseconds; null until it ran.
    processing_time_ms: Optional[float]
    #: Its state.
    status: JobStatus
    #: What the client should know of the result: what the file held and no longer holds, an odd mask, a lesser quality.
    warnings: Sequence[str]


@dataclass(frozen=True)
class KeyView:
    """A key, without its secret."""

    #: First and last characters, to recognise it by.
    hint: str
    #: The key's id.
    id: str
    #: Its name.
    name: str
    #: Secret that signs webhooks of this key's jobs.
    webhook_secret: str


@dataclass(frozen=True)
class RateLimits:
    """Requests per minute and key."""

    #: Batches.
    batch_per_minute: int
    #: Everything else that needs a key.
    read_per_minute: int
    #: Single removals.
    removal_per_minute: int
    #: Segmentations.
    segmentation_per_minute: int


@dataclass(frozen=True)
class Limits:
    """Limits on requests."""

    #: Jobs of one key that may be waiting or running at once.
    in_flight_max: int
    #: Greatest number of pixels of a photo.
    pixels_max: int
    #: Requests per minute.
    rate_limits: RateLimits
    #: Greatest size of one file in bytes.
    upload_bytes_max: int


@dataclass(frozen=True)
class PipelineView:
    """A pipeline that a request may name."""

    #: What it does.
    description: str
    #: Its name.
    name: str


@dataclass(frozen=True)
class Prices:
    """Prices in credits."""

    #: One removal, a segmentation inside it included.
    removal: int
    #: One segmentation on its own.
    segmentation: int


@dataclass(frozen=True)
class Account:
    """The caller's account: what it may spend and what things cost."""

    #: The account.
    account_id: str
    #: Credits that can be spent now.
    balance: int
    #: Credits reserved by jobs that have not ended.
    held: int
    #: The key of this request.
    key: KeyView
    #: Limits that apply to this key.
    limits: Limits
    #: Its name.
    name: str
    #: Pipelines that this key may ask for; the first is what a request gets that names none.
    pipelines: Sequence[PipelineView]
    #: Price list in credits.
    prices: Prices
