//! Uploads of a batch: `images` and `masks` streamed to files as they arrive, then paired in order.

use actix_web::HttpRequest;
use cleanplate_api::ErrorCode;

use super::part::{Form, Part};
use super::upload::{FormBody, Upload, announced, open, parameter, skip, store, within};
use crate::app::App;
use crate::refusal::Refusal;

/// Most pairs of a batch.
pub const PAIRS_MAX: usize = 50;
/// Most files of a batch.
pub const FILES_MAX: u64 = 2 * PAIRS_MAX as u64;

/// The parameter that may come as a field of the form too: pairs have masks, so prompts mean nothing.
const IN_FORM: &str = "mask_channel";

/// A file that arrived, or why it cannot be taken.
struct Arrived {
    filename: String,
    file: Result<Upload, Refusal>,
}

/// A photo and its mask.
pub struct BatchPair {
    /// Name of the photo, made safe to show.
    pub filename: String,
    /// Image and mask, or why the pair cannot be done.
    pub files: Result<(Upload, Upload), Refusal>,
}

/// The form of a batch.
pub struct Pairs {
    /// The photos with their masks, in order.
    pub pairs: Vec<BatchPair>,
    /// Parameters that came as fields of the form, in order.
    pub fields: Vec<(String, String)>,
}

/// What arrived of a batch, in order.
#[derive(Default)]
struct Files {
    images: Vec<Arrived>,
    masks: Vec<Arrived>,
    fields: Vec<(String, String)>,
}

/// Receives the pairs of a batch. A file that cannot be taken spoils its pair only; counts that do not fit, and a body
/// that is broken or too slow, refuse the batch.
pub async fn receive(req: &HttpRequest, body: &FormBody, app: &App) -> Result<Pairs, Refusal> {
    let files = match open(req, body, app)? {
        Some(form) => arrived(req, body, app, form).await?,
        None => Files::default(),
    };
    Ok(Pairs {
        pairs: pair(files.images, files.masks)?,
        fields: files.fields,
    })
}

async fn arrived(
    req: &HttpRequest,
    body: &FormBody,
    app: &App,
    form: Form,
) -> Result<Files, Refusal> {
    // Each file has the time of an upload; all together have what the slowest accepted rate needs.
    let upload = app.config.server.upload;
    let bytes = announced(req).unwrap_or_else(|| body.bytes_max());
    let all = upload.base + std::time::Duration::from_secs(bytes / upload.bytes_per_s_min);
    within(all, read(form, app)).await
}

async fn read(mut form: Form, app: &App) -> Result<Files, Refusal> {
    let (mut files, mut others) = (Files::default(), 0);
    while let Some(part) = form.next(app).await? {
        let list = match part.name.as_str() {
            "images" => &mut files.images,
            "masks" => &mut files.masks,
            name => {
                others += 1;
                if others > app.config.limits.parts_max {
                    let message = format!(
                        "at most {} fields besides images and masks are accepted",
                        app.config.limits.parts_max
                    );
                    return Err(Refusal::field(&["body"], message, "value_error.parts"));
                }
                if name == IN_FORM {
                    files.fields.extend(parameter(part, app).await?);
                } else {
                    skip(part, app, &["images", "masks"]).await?;
                }
                continue;
            }
        };
        if let Some(arrived) = arrive(part, app).await? {
            list.push(arrived);
        }
        if list.len() > PAIRS_MAX {
            return Err(Refusal::new(
                ErrorCode::BadRequest,
                format!("a batch has at most {PAIRS_MAX} pairs"),
            ));
        }
    }
    Ok(files)
}

async fn arrive(part: Part, app: &App) -> Result<Option<Arrived>, Refusal> {
    let (name, filename) = (part.name.clone(), part.filename.clone());
    let limit = app
        .config
        .server
        .upload
        .limit(app.config.limits.upload_bytes_max);
    match within(limit, store(&name, part, app)).await {
        Ok(None) => Ok(None),
        Ok(Some(upload)) => Ok(Some(Arrived {
            filename,
            file: Ok(upload),
        })),
        // The rest of the part is skipped; the parts after it are read.
        Err(refusal)
            if matches!(
                refusal.code,
                ErrorCode::TooLarge | ErrorCode::UnsupportedType
            ) =>
        {
            Ok(Some(Arrived {
                filename,
                file: Err(refusal),
            }))
        }
        Err(refusal) => Err(refusal),
    }
}

fn pair(images: Vec<Arrived>, masks: Vec<Arrived>) -> Result<Vec<BatchPair>, Refusal> {
    let refuse = |text: String| Err(Refusal::new(ErrorCode::BadRequest, text));
    if images.is_empty() && masks.is_empty() {
        return refuse(
            "no files: send the fields images and masks, as many of one as of the other"
                .to_string(),
        );
    }
    if images.len() != masks.len() {
        return refuse(format!(
            "{} images and {} masks: there must be one mask for each image",
            images.len(),
            masks.len()
        ));
    }
    let join = |(image, mask): (Arrived, Arrived)| {
        let files = image
            .file
            .and_then(|image| mask.file.map(|mask| (image, mask)));
        BatchPair {
            filename: image.filename,
            files,
        }
    };
    Ok(images.into_iter().zip(masks).map(join).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(name: &str) -> Arrived {
        Arrived {
            filename: name.to_string(),
            file: Err(Refusal::new(ErrorCode::UnsupportedType, name)),
        }
    }

    #[test]
    fn fields_are_those_that_the_interface_declares() {
        let document = serde_json::to_value(cleanplate_api::PUBLIC.document()).unwrap();
        let form = &document["components"]["schemas"]["BatchForm"]["properties"];
        let declared: Vec<&str> = form.as_object().unwrap().keys().map(|k| &**k).collect();
        assert_eq!(declared, ["images", IN_FORM, "masks"]);
    }

    #[test]
    fn counts_decide_before_content() {
        for (images, masks) in [(0, 0), (1, 0), (0, 1), (2, 3)] {
            let list = |count| (0..count).map(|_| bad("x")).collect();
            let refusal = pair(list(images), list(masks)).err().unwrap();
            assert_eq!(
                refusal.code,
                ErrorCode::BadRequest,
                "{images} images, {masks} masks"
            );
        }
    }

    #[test]
    fn pairs_keep_their_order_and_the_name_of_the_photo() {
        let pairs = pair(vec![bad("a"), bad("b")], vec![bad("ma"), bad("mb")]).unwrap();
        let names: Vec<&str> = pairs.iter().map(|pair| pair.filename.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(pairs[1].files.as_ref().unwrap_err().text, "b");
    }
}
