//! Jobs of the store as replies of the interface.

use actix_web::HttpRequest;
use actix_web::http::header::HOST;
use cleanplate_api::{
    Candidate, Choice, JobReply, JobStatus, ModelUse, RemovalReply, RemovalResult, StageTiming,
};
use cleanplate_store::{Job, JobStatus as Stored, NewJob};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::context::{forwarded, is_proxy};
use super::place;
use crate::app::App;
use crate::clock::now_s;
use crate::files;

/// Scheme, host and path at the front of addresses in replies.
pub fn base_url(req: &HttpRequest, app: &App) -> String {
    if let Some(url) = &app.config.server.public_url {
        return url.address.clone();
    }
    let plain = |host: &str| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b))
    };
    let host = req
        .headers()
        .get(HOST)
        .and_then(|value| value.to_str().ok());
    let proxy = req.peer_addr().is_some_and(|peer| is_proxy(peer.ip(), app));
    let told = |name| forwarded(req.headers(), name).filter(|_| proxy);
    let https = told("X-Forwarded-Proto").is_some_and(|word| word.eq_ignore_ascii_case("https"));
    let scheme = if https { "https" } else { "http" };
    let host = told("X-Forwarded-Host")
        .or(host)
        .filter(|host| plain(host))
        .map_or_else(|| app.config.server.listen.to_string(), str::to_string);
    format!("{scheme}://{host}{}", place::prefix(req, app))
}

/// From when on addresses are valid for the configured time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// From now on.
    Now,
    /// From the end of the job on: a repeated reply is the same to the byte.
    End,
}

/// Where addresses of results point, and what they are signed with.
pub struct Addresses<'a> {
    /// The daemon.
    pub app: &'a App,
    /// Scheme and host.
    pub base: &'a str,
    /// Epoch of the key that the job belongs to.
    pub epoch: u32,
    /// Since when they are valid.
    pub from: From,
}

impl Addresses<'_> {
    fn of(&self, job: &Job, part: &str) -> Option<String> {
        let kept = job.result.as_ref()?;
        // Valid as configured, but never longer than the file is there.
        let from_s = match self.from {
            From::Now => now_s(),
            From::End => job.finished_at_ms? / 1000,
        };
        let expires_s = (from_s + self.app.config.results.url_ttl.as_secs() as i64)
            .min(kept.expires_at_ms / 1000);
        let path = format!("/v1/files/{}{part}", job.id);
        Some(format!(
            "{}{}",
            self.base,
            files::sign(&self.app.url_keys, &path, expires_s, self.epoch)
        ))
    }
}

/// The store's name of a state.
pub fn stored_status(status: JobStatus) -> Stored {
    match status {
        JobStatus::Pending => Stored::Pending,
        JobStatus::Processing => Stored::Processing,
        JobStatus::Completed => Stored::Completed,
        JobStatus::Failed => Stored::Failed,
    }
}

/// The reply of a removal.
pub fn removal(job: &Job, addresses: &Addresses<'_>) -> RemovalReply {
    let status = match job.status {
        Stored::Pending => JobStatus::Pending,
        Stored::Processing => JobStatus::Processing,
        Stored::Completed => JobStatus::Completed,
        Stored::Failed => JobStatus::Failed,
    };
    let error = job.failure.as_ref().map(|failure| failure.detail.clone());
    let result = job.result.as_ref().map(|kept| &kept.result);
    RemovalReply {
        job_id: job.id.to_string(),
        status,
        error: error.clone(),
        result: RemovalResult {
            job_id: job.id.to_string(),
            status,
            input_filename: job.input_filename.clone().unwrap_or_default(),
            output_url: addresses.of(job, ""),
            processing_time_ms: result.map(|result| (result.processing_ms * 10.0).round() / 10.0),
            error,
            original_width: job.original_width,
            original_height: job.original_height,
            output_width: result.map(|result| result.width),
            output_height: result.map(|result| result.height),
            credits_used: result.map_or(0, |result| result.credits),
            mask_url: result
                .and_then(|result| result.mask.as_ref())
                .and_then(|_| addresses.of(job, "/mask")),
            mask_share: result.and_then(|result| result.timings["mask_share"].as_f64()),
            warnings: result
                .map(|result| list::<String>(&result.warnings))
                .unwrap_or_default(),
            candidates: candidates(job, addresses),
        },
    }
}

fn candidates(job: &Job, addresses: &Addresses<'_>) -> Vec<Candidate> {
    let kept = job.result.iter().flat_map(|kept| &kept.result.candidates);
    kept.enumerate()
        .filter_map(|(number, candidate)| {
            Some(Candidate {
                name: candidate.name.clone(),
                chosen: candidate.chosen,
                url: addresses.of(job, &format!("/candidates/{number}"))?,
                score: candidate.score,
            })
        })
        .collect()
}

/// The reply of a job that was just accepted.
pub fn pending(new: &NewJob) -> RemovalReply {
    RemovalReply {
        job_id: new.id.to_string(),
        status: JobStatus::Pending,
        error: None,
        result: RemovalResult {
            job_id: new.id.to_string(),
            status: JobStatus::Pending,
            input_filename: new.input_filename.clone().unwrap_or_default(),
            output_url: None,
            processing_time_ms: None,
            error: None,
            original_width: new.original_width,
            original_height: new.original_height,
            output_width: None,
            output_height: None,
            credits_used: 0,
            mask_url: None,
            mask_share: None,
            warnings: Vec::new(),
            candidates: Vec::new(),
        },
    }
}

/// The reply of `GET /v1/jobs/{id}`.
pub fn job(job: &Job, addresses: &Addresses<'_>) -> JobReply {
    let result = job.result.as_ref().map(|kept| &kept.result);
    let of_failure = || {
        job.failure
            .as_ref()
            .map_or(Value::Null, |failure| failure.timings.clone())
    };
    let timings = result.map_or_else(of_failure, |result| result.timings.clone());
    let device = result
        .map(|result| result.device.clone())
        .unwrap_or(Value::Null);
    JobReply {
        reply: removal(job, addresses),
        service: job.service.clone(),
        created_at: job.created_at_ms / 1000,
        finished_at: job.finished_at_ms.map(|ms| ms / 1000),
        pipeline: Some(job.pipeline.clone()),
        device: device["backend"]
            .as_str()
            .zip(device["name"].as_str())
            .map(|(backend, name)| format!("{backend}: {name}")),
        stages: list::<StageTiming>(&timings["stages"]),
        models: result
            .map(|result| list::<ModelUse>(&result.models))
            .unwrap_or_default(),
        choices: list::<Choice>(&timings["choices"]),
        mask_share: timings["mask_share"].as_f64(),
        predicted_iou: timings["predicted_iou"].as_f64(),
        warnings: result
            .map(|result| list::<String>(&result.warnings))
            .unwrap_or_default(),
    }
}

fn list<T: DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap_or_default()
}
