//! Checks before anything is held: the query, the pipeline, the headers of the pictures.

use std::sync::Arc;

use actix_web::HttpRequest;
use cleanplate_api::{ErrorCode, FieldError, Loc};
use cleanplate_pictures::{Format, Header};
use cleanplate_pipeline::Pipeline;
use cleanplate_store::KeyRecord;

use super::upload::{Parts, Upload};
use super::{fetch, preferred};
use crate::app::App;
use crate::blocking::blocking;
use crate::files::Mapped;
use crate::jobs::{Service, preview_bytes, removal_bytes};
use crate::outbound;
use crate::params;
use crate::prompts::{self, Prompts};
use crate::refusal::Refusal;
use crate::tuning::{self, Query, Tuning, value};

/// How the pictures of a request are to be treated.
pub struct RequestOptions {
    /// What the client tunes.
    pub tuning: Tuning,
    /// The reply is the picture itself, not where it is.
    pub picture: bool,
    /// Points and box.
    pub prompts: Option<Prompts>,
    /// The pipeline, tuning applied.
    pub pipeline: Arc<Pipeline>,
    /// The query as it came.
    query: Query,
    /// Names of the parameters that came in the form.
    in_form: Vec<String>,
}

/// Pictures that passed every check which needs no pixels.
pub struct Checked {
    /// The photo.
    pub image: Upload,
    /// Its header.
    pub header: Header,
    /// The mask; prompts are used only without one.
    pub mask: Option<Upload>,
}

impl RequestOptions {
    /// Reads and checks the query of a request.
    pub fn read(
        req: &HttpRequest,
        app: &App,
        key: &KeyRecord,
        service: Service,
    ) -> Result<RequestOptions, Refusal> {
        let query: Query = params::query(req.query_string())?;
        let (mut tuning, prompts) = read_query(&query, app)?;
        tuning.asynchronous |= prefers_async(req);
        if tuning.preview && service == Service::Removal {
            let why = "only a segmentation has a preview; a removal would be charged";
            return Err(Refusal::field(
                &["query", "preview"],
                why,
                "value_error.preview",
            ));
        }
        if let Some(url) = &tuning.webhook_url {
            outbound::check(url, &app.config.webhooks.allowed).map_err(|why| {
                Refusal::field(&["query", "webhook_url"], why, "value_error.webhook_url")
            })?;
        }
        if let Some(url) = &tuning.image_url {
            fetch::check(url, app)?;
        }
        let picture = preferred::picture(req);
        tuning.format = tuning.format.or(picture.flatten());
        let pipeline = choose_pipeline(&tuning, app, key)?;
        Ok(RequestOptions {
            picture: picture.is_some(),
            tuning,
            prompts,
            pipeline,
            query,
            in_form: Vec::new(),
        })
    }

    /// Takes over the parameters that came as fields of the form; each may come in one place only.
    pub fn take_form(&mut self, fields: &[(String, String)], app: &App) -> Result<(), Refusal> {
        if fields.is_empty() {
            return Ok(());
        }
        self.in_form = fields.iter().map(|(name, _)| name.clone()).collect();
        let twice = self.in_form.iter().enumerate().find(|(at, name)| {
            value(&self.query, name).is_some() || self.in_form[..*at].contains(name)
        });
        if let Some((_, name)) = twice {
            let message =
                "the parameter is there more than once: send it in the query or in the form";
            return Err(Refusal::field(
                &["body", name],
                message,
                "value_error.duplicate",
            ));
        }
        let query: Query = self.query.iter().chain(fields).cloned().collect();
        let (tuning, prompts) = read_query(&query, app).map_err(|refusal| self.placed(refusal))?;
        self.tuning.mask_channel = tuning.mask_channel;
        self.prompts = prompts;
        Ok(())
    }

    /// A refusal whose faults name the form where the parameter came from there.
    fn placed(&self, mut refusal: Refusal) -> Refusal {
        for error in &mut refusal.fields {
            if let Some(Loc::Name(name)) = error.loc.last()
                && self.in_form.contains(name)
            {
                error.loc = FieldError::new(&["body", name], "", "").loc;
            }
        }
        refusal
    }
}

/// Whether `Prefer: respond-async` is among the preferences of a request.
fn prefers_async(req: &HttpRequest) -> bool {
    let values = req
        .headers()
        .get_all("Prefer")
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|text| text.split([',', ';']))
        .any(|word| word.trim().eq_ignore_ascii_case("respond-async"))
}

fn read_query(query: &Query, app: &App) -> Result<(Tuning, Option<Prompts>), Refusal> {
    let given = |name| value(query, name);
    let prompts = prompts::parse(
        given("points"),
        given("labels"),
        given("box"),
        app.config.limits.points_max,
    );
    let unknown = tuning::unknown(query);
    match (Tuning::parse(query), prompts) {
        (Ok(tuning), Ok(prompts)) if unknown.is_empty() => Ok((tuning, prompts)),
        (tuning, prompts) => {
            let wrong = tuning.err().into_iter().chain(prompts.err()).flatten();
            Err(Refusal::fields(wrong.chain(unknown).collect()))
        }
    }
}

/// Whether a key may ask for the pipeline of this name.
pub(super) fn offers(app: &App, key: &KeyRecord, name: &str) -> bool {
    let settings = &app.config.pipelines;
    let listed = settings.allowed.iter().any(|allowed| allowed == name);
    let allowed = name == settings.default || (listed && key.allows_pipeline(name));
    allowed && app.pipelines.get(name).is_ok()
}

/// The pipeline of a request, with its tuning applied and in range.
fn choose_pipeline(tuning: &Tuning, app: &App, key: &KeyRecord) -> Result<Arc<Pipeline>, Refusal> {
    let settings = &app.config.pipelines;
    let name = tuning.pipeline.as_deref().unwrap_or(&settings.default);
    if name != settings.default && !offers(app, key, name) {
        return Err(Refusal::field(
            &["query", "pipeline"],
            "this key may not use a pipeline of that name",
            "value_error.pipeline",
        ));
    }
    let found = app
        .pipelines
        .get(name)
        .map_err(|error| Refusal::internal("the default pipeline is missing", &error))?;
    let pipeline = Arc::new(found.clone());
    tuning
        .applied(&pipeline, Some(settings))
        .map_err(Refusal::fields)
}

impl RequestOptions {
    /// Checks the pictures of one removal against the query and each other.
    pub async fn check(&self, parts: Parts, app: &App) -> Result<Checked, Refusal> {
        let mut missing = Vec::new();
        if parts.image.is_none() {
            missing.push(FieldError::missing(&["body", "image"]));
        }
        if parts.mask.is_none() && self.prompts.is_none() {
            missing.push(FieldError::missing(&["body", "mask"]));
        }
        let (Some(image), true) = (parts.image, missing.is_empty()) else {
            return Err(Refusal::fields(missing));
        };
        let limits = app.jobs.image_limits();
        let candidates = self.tuning.candidates as u64;
        let (image, header) = probe("image", image, limits.clone()).await?;
        let image = self.check_format(image, &header, app).await?;
        let Some(mask) = parts.mask else {
            self.check_prompts(header.width as u32, header.height as u32, app)?;
            check_memory(removal_bytes(&header, None, candidates), app)?;
            return Ok(Checked {
                image,
                header,
                mask: None,
            });
        };
        let (mask, mask_header) = probe("mask", mask, limits).await?;
        if (mask_header.width, mask_header.height) != (header.width, header.height) {
            let message = format!(
                "the mask is {}x{}, the image is {}x{} (as displayed); they must be equal",
                mask_header.width, mask_header.height, header.width, header.height
            );
            return Err(Refusal::field(
                &["body", "mask"],
                message,
                "value_error.mask.size",
            ));
        }
        check_memory(removal_bytes(&header, Some(&mask_header), candidates), app)?;
        Ok(Checked {
            image,
            header,
            mask: Some(mask),
        })
    }

    /// Refuses a photo with transparent pixels whose result is to be a JPEG, before any work is done for it.
    async fn check_format(
        &self,
        image: Upload,
        header: &Header,
        app: &App,
    ) -> Result<Upload, Refusal> {
        let options = self.tuning.encode();
        if options.format != Some(Format::Jpeg) || !header.channels.has_alpha() {
            return Ok(image);
        }
        check_memory(header.need.decode_bytes_max, app)?;
        let (memory, limits) = (app.jobs.memory(), app.jobs.image_limits());
        let bytes = header.need.decode_bytes_max;
        blocking(move || {
            let file = Mapped::of(&image.file)?;
            memory
                .take(bytes, || false)
                .and_then(|_room| {
                    cleanplate_pictures::decode(&file, &limits)?.check_format(&options)
                })
                .map_err(|error| Refusal::image("image", &error))?;
            Ok(image)
        })
        .await?
    }

    fn check_prompts(&self, width: u32, height: u32, app: &App) -> Result<(), Refusal> {
        if let Some(prompts) = &self.prompts {
            prompts
                .check_inside(width, height)
                .map_err(|errors| self.placed(Refusal::fields(errors)))?;
        }
        if !self.pipeline.finds_objects() {
            let message = format!(
                "points and a box need a segmentation step, and pipeline {:?} has none: send a mask, or choose another pipeline",
                self.pipeline.name
            );
            return Err(Refusal::field(
                &["query", "pipeline"],
                message,
                "value_error.pipeline.no_segmentation",
            ));
        }
        self.pipeline
            .ready_for_prompts(&*app.models)
            .map_err(|error| {
                Refusal::new(ErrorCode::Unavailable, error.to_string()).retry_after(3600)
            })
    }

    /// Checks the photo of a segmentation against its prompts.
    pub async fn check_segmentation(&self, parts: Parts, app: &App) -> Result<Checked, Refusal> {
        let mut missing = Vec::new();
        if parts.image.is_none() {
            missing.push(FieldError::missing(&["body", "image"]));
        }
        if self.prompts.is_none() {
            missing.push(FieldError::missing(&["query", "points"]));
        }
        let (Some(image), true) = (parts.image, missing.is_empty()) else {
            return Err(Refusal::fields(missing));
        };
        let (image, header) = probe("image", image, app.jobs.image_limits()).await?;
        self.check_prompts(header.width as u32, header.height as u32, app)?;
        // A job's result is the mask; the photo is not filled.
        check_memory(preview_bytes(&header), app)?;
        Ok(Checked {
            image,
            header,
            mask: None,
        })
    }
}

/// Refuses pictures that would take more memory than there is for all together.
fn check_memory(got: u64, app: &App) -> Result<(), Refusal> {
    let max = app.config.limits.memory_bytes_max;
    if got <= max {
        return Ok(());
    }
    let text = format!(
        "working on this image takes {} MiB of memory, and limits.memory_mib_max allows {} MiB for all pictures together: \
         send a smaller one, or have the option raised",
        got.div_ceil(1 << 20),
        max >> 20
    );
    let kind = "value_error.image.limit";
    Err(Refusal::field(&["body", "image"], text, kind))
}

/// Reads a picture's header; pixels are not touched.
async fn probe(
    field: &'static str,
    upload: Upload,
    limits: cleanplate_pictures::Limits,
) -> Result<(Upload, Header), Refusal> {
    blocking(move || {
        let bytes = Mapped::of(&upload.file)?;
        let header = cleanplate_pictures::probe(&bytes, &limits)
            .map_err(|error| Refusal::image(field, &error))?;
        Ok((upload, header))
    })
    .await?
}
