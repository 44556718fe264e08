//! What a checked request becomes: a job for the store and work for the engine thread.

use actix_web::{HttpRequest, web};
use cleanplate_store::{
    Accept, BatchId, BatchSlot, Idempotency, JobId, KeyRecord, NewBatch, NewJob,
};
use serde_json::{Value, json};

use super::check::{Checked, RequestOptions};
use super::context::request_id;
use super::view::base_url;
use crate::app::App;
use crate::blocking::blocking;
use crate::files::Inputs;
use crate::jobs::{Offer, Recipe, Service, Webhook};
use crate::refusal::Refusal;

/// Everything that the jobs of one request share.
pub struct Order {
    /// The daemon.
    pub app: web::Data<App>,
    /// Who asks.
    pub key: KeyRecord,
    /// What is asked for.
    pub service: Service,
    /// How the pictures are treated.
    pub ask: RequestOptions,
    /// For log lines.
    pub request_id: String,
    /// Front of result addresses.
    pub base: String,
}

/// What is known of a photo before it is decoded.
#[derive(Debug, Clone)]
pub struct Original {
    /// Name that the client gave it.
    pub filename: String,
    /// Width as displayed, pixels; 0 when unknown.
    pub width: u32,
    /// Height as displayed, pixels; 0 when unknown.
    pub height: u32,
}

fn inputs(checked: Checked) -> Inputs {
    Inputs {
        image: checked.image.file,
        mask: checked.mask.map(|mask| mask.file),
    }
}

impl Original {
    /// Of a photo that passed its checks.
    pub fn of(checked: &Checked) -> Original {
        Original {
            filename: checked.image.filename.clone(),
            width: checked.header.width as u32,
            height: checked.header.height as u32,
        }
    }
}

impl Order {
    /// An order of this key, now.
    pub fn new(
        req: &HttpRequest,
        app: &web::Data<App>,
        key: &KeyRecord,
        service: Service,
        ask: RequestOptions,
    ) -> Order {
        Order {
            app: app.clone(),
            key: key.clone(),
            service,
            ask,
            request_id: request_id(req),
            base: base_url(req, app),
        }
    }

    /// The job of one photo.
    pub fn job(
        &self,
        original: &Original,
        batch: Option<BatchSlot>,
        idempotency: Option<Idempotency>,
    ) -> NewJob {
        let tuning = &self.ask.tuning;
        NewJob {
            id: JobId::random(),
            account: self.key.account,
            key: Some(self.key.id),
            batch,
            service: self.service.name().to_string(),
            pipeline: self.ask.pipeline.name.clone(),
            asynchronous: tuning.asynchronous,
            origin: self.app.jobs.name().to_string(),
            price: self.service.price(&self.app.config.pricing),
            input_filename: Some(original.filename.clone()).filter(|name| !name.is_empty()),
            original_width: original.width,
            original_height: original.height,
            request: self.recipe(),
            idempotency,
        }
    }

    /// The batch of so many photos.
    pub fn batch(&self, pairs: u32, idempotency: Option<Idempotency>) -> NewBatch {
        NewBatch {
            id: BatchId::random(),
            account: self.key.account,
            key: Some(self.key.id),
            pairs,
            asynchronous: self.ask.tuning.asynchronous,
            origin: self.app.jobs.name().to_string(),
            idempotency,
        }
    }

    /// What is needed to run the jobs again, with the steps for the record.
    fn recipe(&self) -> Value {
        let tuning = &self.ask.tuning;
        let prompts = self.ask.prompts.as_ref();
        let recipe = Recipe {
            overrides: tuning
                .overrides()
                .into_iter()
                .map(|(_, path, value)| (path, value))
                .collect(),
            points: prompts
                .map(|prompts| prompts.points.clone())
                .unwrap_or_default(),
            rect: prompts.and_then(|prompts| prompts.rect),
            others: Vec::new(),
            frame: None,
            mask_channel: tuning.mask_channel,
            output_format: tuning.format,
            quality: tuning.quality,
            candidates: tuning.candidates,
            request_id: self.request_id.clone(),
            webhook: tuning.webhook_url.clone().map(|url| Webhook {
                url,
                base: self.base.clone(),
            }),
        };
        let mut value = json!(recipe);
        value["steps"] = json!(self.ask.pipeline.steps);
        value
    }

    /// Keeps the pictures and queues an asynchronous job, `beyond` more of them than a key usually may.
    pub async fn enqueue(
        &self,
        new: NewJob,
        checked: Checked,
        beyond: u32,
    ) -> Result<Accept, Refusal> {
        let (jobs, inputs) = (self.app.jobs.clone(), inputs(checked));
        blocking(move || jobs.enqueue(&new, inputs, beyond)).await?
    }

    /// A job that is waited for, with its pictures.
    pub fn offer(&self, new: NewJob, checked: Checked) -> Offer {
        self.app.jobs.prepare(new, inputs(checked))
    }
}
