//! The operations of the public interface.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::admin::Page;
use crate::endpoint::{
    AnyJson, Either, Events, Form, Header, Interface, Json, Picture, Png, Reply, Text, endpoints,
};
use crate::error::ErrorCode;
use crate::{
    AccountReply, BatchQuoteReply, BatchReply, HealthReply, JobEvent, JobReply, JobStatus,
    ModelsReply, QuoteReply, ReadyReply, RemovalReply,
};

/// The public interface.
pub static PUBLIC: Interface = Interface {
    title: "Cleanplate",
    description: "Removes unwanted objects from photos.",
    key: "An API key: sk-live-...",
    keyless: false,
    operations: OPERATIONS,
    when: &[],
};

/// Fields of a removal.
#[derive(ToSchema)]
#[allow(dead_code)]
pub struct RemovalForm {
    /// JPEG, PNG, WebP, TIFF or BMP. Required unless `image_url` is given.
    #[schema(value_type = String, required = false, format = Binary, content_media_type = "application/octet-stream")]
    image: Option<String>,
    /// PNG of the image's displayed size: 128 and brighter is removed (see mask_channel). Required unless points or a box are given.
    #[schema(value_type = String, required = false, format = Binary, content_media_type = "application/octet-stream")]
    mask: Option<String>,
    /// JSON `[[x,y],...]`, as in the query; in one of the two.
    #[schema(value_type = String, required = false)]
    points: Option<String>,
    /// JSON `[1,0,...]`, as in the query.
    #[schema(value_type = String, required = false)]
    labels: Option<String>,
    /// JSON `[x1,y1,x2,y2]`, as in the query.
    #[schema(rename = "box", value_type = String, required = false)]
    rect: Option<String>,
    /// auto, luma or alpha, as in the query.
    #[schema(value_type = String, required = false)]
    mask_channel: Option<String>,
}

/// Fields of a segmentation.
#[derive(ToSchema)]
#[allow(dead_code)]
pub struct SegmentationForm {
    /// JPEG, PNG, WebP, TIFF or BMP, by the name `file` too. Required unless `image_url` is given.
    #[schema(value_type = String, required = false, format = Binary, content_media_type = "application/octet-stream")]
    image: Option<String>,
    /// JSON `[[x,y],...]`, as in the query; in one of the two.
    #[schema(value_type = String, required = false)]
    points: Option<String>,
    /// JSON `[1,0,...]`, as in the query.
    #[schema(value_type = String, required = false)]
    labels: Option<String>,
    /// JSON `[x1,y1,x2,y2]`, as in the query.
    #[schema(rename = "box", value_type = String, required = false)]
    rect: Option<String>,
}

/// Fields of a batch.
#[derive(ToSchema)]
#[allow(dead_code)]
pub struct BatchForm {
    /// 1 to 50 photos: JPEG, PNG, WebP, TIFF or BMP.
    #[schema(value_type = Vec<String>, format = Binary)]
    images: Vec<String>,
    /// As many masks, in the order of the photos.
    #[schema(value_type = Vec<String>, format = Binary)]
    masks: Vec<String>,
    /// auto, luma or alpha, as in the query; for all masks.
    #[schema(value_type = String, required = false)]
    mask_channel: Option<String>,
}

/// Query of a removal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
pub struct RemovalQuery {
    /// The same as Prefer: respond-async.
    #[serde(rename = "async")]
    pub asynchronous: Option<bool>,
    /// JSON `[[x,y],...]` in pixels of the displayed image.
    pub points: Option<String>,
    /// JSON `[1,0,...]`: 1 foreground, 0 background; default all 1.
    pub labels: Option<String>,
    /// JSON `[x1,y1,x2,y2]`, any corner order.
    #[serde(rename = "box")]
    pub rect: Option<String>,
    /// 1, 2 or 3: that one of the masks that points or a box may mean, the likeliest first; the best one if not given.
    pub alternative: Option<String>,
    /// Validate and quote the price, charge nothing.
    pub dry_run: Option<bool>,
    /// Pixels the mask grows; by image size if not given.
    pub dilate: Option<u32>,
    /// Pixels over which the edge fades.
    pub feather: Option<u32>,
    /// What of a mask removes: auto or luma, its brightness on black from 128 of 255 on; alpha, its opacity from half of its most opaque
    /// pixel on. auto refuses what looks like a photo.
    pub mask_channel: Option<String>,
    /// jpeg, png, webp or tiff; that of the image if not given (png for a BMP).
    pub output_format: Option<String>,
    /// 1 to 100, JPEG and WebP; about that of the image if not given.
    pub quality: Option<u8>,
    /// Gets a POST with the job's reply when a job has ended: X-Cleanplate-Signature is v1= and the hex HMAC-SHA256 of
    /// `timestamp.body` under the key's webhook_secret (GET /v1/account), X-Cleanplate-Timestamp the timestamp. Tried again
    /// on any answer but 2xx. Private addresses are refused.
    pub webhook_url: Option<String>,
    /// A pipeline this key may use.
    pub pipeline: Option<String>,
    /// 1 to 4: so many fills of the pipeline come back besides the result, to choose from, within the same price.
    pub candidates: Option<u8>,
    /// `plugin.parameter=value` for a plugin of the pipeline, as far as the operator allows it; may be repeated.
    pub set: Option<String>,
    /// Address of the photo, http or https, instead of the field `image`. Private addresses are refused.
    pub image_url: Option<String>,
}

/// Query of a batch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
pub struct BatchQuery {
    /// The same as Prefer: respond-async.
    #[serde(rename = "async")]
    pub asynchronous: Option<bool>,
    /// Check all pairs and quote the price, charge nothing.
    pub dry_run: Option<bool>,
    /// Pixels the masks grow; by image size if not given.
    pub dilate: Option<u32>,
    /// Pixels over which edges fade.
    pub feather: Option<u32>,
    /// What of a mask removes: auto or luma, its brightness on black from 128 of 255 on; alpha, its opacity from half of its most opaque
    /// pixel on. auto refuses what looks like a photo.
    pub mask_channel: Option<String>,
    /// jpeg, png, webp or tiff; that of each image if not given (png for a BMP).
    pub output_format: Option<String>,
    /// 1 to 100, JPEG and WebP; about that of each image if not given.
    pub quality: Option<u8>,
    /// Gets a POST with the job's reply when a job has ended, signed as for a single removal.
    pub webhook_url: Option<String>,
    /// A pipeline this key may use.
    pub pipeline: Option<String>,
    /// 1 to 4: so many fills of the pipeline come back besides the result, to choose from, within the same price.
    pub candidates: Option<u8>,
    /// `plugin.parameter=value` for a plugin of the pipeline, as far as the operator allows it; may be repeated.
    pub set: Option<String>,
}

/// Query of a segmentation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
pub struct SegmentationQuery {
    /// JSON `[[x,y],...]` in pixels of the displayed image; points or box must be there.
    pub points: Option<String>,
    /// JSON `[1,0,...]`: 1 foreground, 0 background; default all 1.
    pub labels: Option<String>,
    /// JSON `[x1,y1,x2,y2]`, any corner order.
    #[serde(rename = "box")]
    pub rect: Option<String>,
    /// Validate and quote the price, charge nothing.
    pub dry_run: Option<bool>,
    /// The mask at once, as under a pointer that moves: no job, no file, no X-Job-Id. Only where segmentations are free; two at a
    /// time, others are told to come again.
    pub preview: Option<bool>,
    /// 1, 2 or 3: that one of the masks that the network takes a prompt to mean, the likeliest first; auto: for one point
    /// the likeliest, for several prompts the mask that fits all.
    pub alternative: Option<String>,
    /// A pipeline this key may use; its segment plugins do the work.
    pub pipeline: Option<String>,
    /// Address of the photo, http or https, instead of the field `image`. Private addresses are refused.
    pub image_url: Option<String>,
}

/// Query of the caller's jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct JobsQuery {
    /// Only jobs in this state.
    pub status: Option<JobStatus>,
    /// Only jobs of this pipeline.
    pub pipeline: Option<String>,
    /// Only jobs that were accepted at this time or later, seconds since 1970.
    pub created_from: Option<i64>,
    /// Only jobs that were accepted before this time, seconds since 1970.
    pub created_before: Option<i64>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Rows of the page, 1 to 100; 100 if not given.
    pub rows: Option<u32>,
}

/// Query of a file: the daemon's own signature; addresses are taken as they were told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
pub struct Signature {
    /// Seconds since 1970 up to which the address is good. Order does not count, other parameters are ignored.
    pub expires: i64,
    /// Signature of path and expiry.
    pub sig: String,
}

/// Query of a picture: its signature, and the form that it is wanted in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
pub struct PictureQuery {
    /// Seconds since 1970 up to which the address is good. Order does not count, other parameters are ignored.
    pub expires: i64,
    /// Signature of path and expiry.
    pub sig: String,
    /// jpeg, png, webp or tiff: the picture is written anew in this format, with what the stored one carries. Without Range.
    pub output_format: Option<String>,
    /// 1 to 100, of a JPEG or WebP: written anew as a whole at this quality.
    pub quality: Option<u8>,
}

const IDEMPOTENCY_KEY: Header = Header {
    name: "Idempotency-Key",
    what: "Repeating the request with the same key within 24 hours repeats the reply and charges nothing; 409 while the first is under way, 422 for another request. A request that failed may be tried again with its key; a batch goes on with the pairs that are left",
};

const PREFER: Header = Header {
    name: "Prefer",
    what: "respond-async: 202 at once; GET /v1/jobs/{id} or /v1/batches/{id} tells the rest",
};

/// Errors of everything that needs a key.
const KEYED: &[ErrorCode] = &[
    ErrorCode::Unauthorized,
    ErrorCode::RateLimited,
    ErrorCode::Internal,
    ErrorCode::Unavailable,
];
/// Errors of service calls besides.
const SERVICE: &[ErrorCode] = &[
    ErrorCode::BadRequest,
    ErrorCode::InsufficientCredits,
    ErrorCode::Forbidden,
    ErrorCode::UploadTimeout,
    ErrorCode::Conflict,
    ErrorCode::TooLarge,
    ErrorCode::UnsupportedType,
    ErrorCode::Invalid,
    ErrorCode::QueueFull,
    ErrorCode::StorageFull,
];
/// Errors of what is asked for by id.
const ONE: &[ErrorCode] = &[ErrorCode::NotFound];
/// Errors of what needs no key.
const OPEN: &[ErrorCode] = &[ErrorCode::RateLimited];
/// Errors of signed addresses.
const FILE: &[ErrorCode] = &[
    ErrorCode::BadRequest,
    ErrorCode::Forbidden,
    ErrorCode::Gone,
    ErrorCode::RangeNotSatisfiable,
    ErrorCode::RateLimited,
    ErrorCode::Internal,
    ErrorCode::Unavailable,
    ErrorCode::Invalid,
];

endpoints! {
    /// Every operation of the public interface.
    OPERATIONS:

    /// Removes what a mask, points or a box mark from a photo.
    ///
    /// With `Accept: image/*`, or one of the three formats, the reply is the picture itself: X-Job-Id names the job,
    /// Content-Location is its signed address. Refusals are JSON all the same.
    RemoveObject = remove_object: Post "/v1/services/object-removal", "services", Key,
        query RemovalQuery, headers &[IDEMPOTENCY_KEY, PREFER], body Form<RemovalForm>
        => 200 Either<Either<Json<RemovalReply>, Json<QuoteReply>>, Picture>, "The result, charged; with dry_run a QuoteReply",
        also &[Reply::of::<Json<RemovalReply>>(202, "Asynchronous: the job waits, its price is held")],
        errors &[KEYED, SERVICE];

    /// Removes objects from up to 50 photos, each with its mask.
    ///
    /// `images` and `masks` are repeated and paired in order. A pair that cannot be done fails alone; so do the pairs after
    /// the credits ran out. Only pairs that were done are charged.
    RemoveObjects = remove_objects: Post "/v1/services/object-removal/batch", "services", Key,
        query BatchQuery, headers &[IDEMPOTENCY_KEY, PREFER], body Form<BatchForm>
        => 200 Either<Json<BatchReply>, Json<BatchQuoteReply>>, "All pairs have ended, well or not; with dry_run a BatchQuoteReply",
        also &[Reply::of::<Json<BatchReply>>(202, "Asynchronous: the pairs wait")],
        errors &[KEYED, SERVICE];

    /// Finds the object that points or a box mark. Has a limit of its own; priced by `pricing.segmentation`.
    ///
    /// 422 with value_error.prompt.nothing_found: no object there. 503 also when no segmentation model is there: the text
    /// names the command that brings one.
    Segment = segment: Post "/v1/services/segmentation", "services", Key,
        query SegmentationQuery, headers &[IDEMPOTENCY_KEY], body Form<SegmentationForm>
        => 200 Either<Png, Json<QuoteReply>>, "The mask, of the image's displayed size: 255 is the object. X-Job-Id names the job, X-Predicted-Iou is the overlap with the true mask that the network expects, X-Mask-Share the mask's share of the image. With dry_run a QuoteReply",
        errors &[KEYED, SERVICE, &[ErrorCode::Gone]];

    /// One batch of the caller's account: the reply of the batch service as far as it is.
    GetBatch = get_batch: Get "/v1/batches/{batch_id}", "jobs", Key
        => 200 Json<BatchReply>, "The batch", errors &[KEYED, ONE];

    /// Jobs of the caller's account, newest first, those of its batches and watched folders too.
    ListJobs = list_jobs: Get "/v1/jobs", "jobs", Key, query JobsQuery
        => 200 Json<Page<JobReply>>, "One page of them", errors &[KEYED, &[ErrorCode::Invalid]];

    /// One job of the caller's account.
    GetJob = get_job: Get "/v1/jobs/{job_id}", "jobs", Key
        => 200 Json<JobReply>, "The job", errors &[KEYED, ONE];

    /// Cancels a job of the caller's account that has not ended: its credits are free again.
    CancelJob = cancel_job: Delete "/v1/jobs/{job_id}", "jobs", Key
        => 200 Json<JobReply>, "Cancelled: the job is failed, nothing was charged",
        errors &[KEYED, ONE, &[ErrorCode::Conflict, ErrorCode::StorageFull]];

    /// The life of a job as server-sent events.
    ///
    /// `progress` with a JobEvent whenever state, stage or progress change, then `completed` or `failed` with the job's
    /// reply, and the stream ends.
    WatchJob = watch_job: Get "/v1/jobs/{job_id}/events", "jobs", Key
        => 200 Events<JobEvent>, "Events until the job has ended", errors &[KEYED, ONE, &[ErrorCode::QueueFull]];

    /// The result of a job.
    GetFile = get_file: Get "/v1/files/{job_id}", "files", Open, query PictureQuery
        => 200 Picture, "The picture",
        also &[
            Reply::of::<Picture>(206, "The bytes asked for with Range"),
            Reply::of::<()>(304, "Not changed since the ETag of If-None-Match"),
            Reply::of::<()>(307, "At Location for a short while: in the bucket, if the operator sends clients there"),
        ],
        errors &[FILE];

    /// The mask that a job used, after growing.
    GetMask = get_mask: Get "/v1/files/{job_id}/mask", "files", Open, query Signature
        => 200 Png, "The mask",
        also &[
            Reply::of::<Png>(206, "The bytes asked for with Range"),
            Reply::of::<()>(304, "Not changed since the ETag of If-None-Match"),
            Reply::of::<()>(307, "At Location for a short while: in the bucket, if the operator sends clients there"),
        ],
        errors &[FILE];

    /// One of the fills of a job that was asked for with `candidates`: their number from 0 in the reply's list.
    GetCandidate = get_candidate: Get "/v1/files/{job_id}/candidates/{number}", "files", Open, query PictureQuery
        => 200 Picture, "The picture",
        also &[
            Reply::of::<Picture>(206, "The bytes asked for with Range"),
            Reply::of::<()>(304, "Not changed since the ETag of If-None-Match"),
            Reply::of::<()>(307, "At Location for a short while: in the bucket, if the operator sends clients there"),
        ],
        errors &[FILE];

    /// The caller's account: balance, prices, limits.
    GetAccount = get_account: Get "/v1/account", "account", Key
        => 200 Json<AccountReply>, "The account", errors &[KEYED];

    /// Models this daemon knows.
    ListModels = list_models: Get "/v1/models", "models", Key
        => 200 Json<ModelsReply>, "The models", errors &[KEYED];

    /// The process lives; what it runs on.
    GetHealth = get_health: Get "/healthz", "operations", Open
        => 200 Json<HealthReply>, "It lives", errors &[];

    /// Whether service calls are taken.
    GetReadiness = get_readiness: Get "/readyz", "operations", Open
        => 200 Json<ReadyReply>, "They are", also &[Reply::of::<Json<ReadyReply>>(503, "They are not; the reply says why")], errors &[];

    /// Counters in the Prometheus text format.
    GetMetrics = get_metrics: Get "/metrics", "operations", Open
        => 200 Text, "The counters", errors &[OPEN];

    /// This interface, described.
    GetDocument = get_document: Get "/openapi.json", "operations", Open
        => 200 AnyJson, "An OpenAPI document", errors &[OPEN];
}
