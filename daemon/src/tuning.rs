//! Optional parameters of a service call: everything with a good default.

use std::sync::Arc;

use cleanplate_api::FieldError;
use cleanplate_basics::nearest;
use cleanplate_pictures::{EncodeOptions, Format, MaskChannel};
use cleanplate_pipeline::Pipeline;
use cleanplate_store::CANDIDATES_MAX;

use crate::config::Pipelines;

/// Query of a request as pairs, in order.
pub type Query = Vec<(String, String)>;

/// What a client may tune.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tuning {
    /// Validate and quote the price, charge nothing.
    pub dry_run: bool,
    /// Of a segmentation: the mask alone, no job.
    pub preview: bool,
    /// Answer at once, do the work later.
    pub asynchronous: bool,
    /// Pixels the mask grows; chosen by the size of the photo if not given.
    pub dilate: Option<String>,
    /// Pixels the edge of the fill fades.
    pub feather: Option<String>,
    /// Which of the masks that a prompt may mean.
    pub alternative: Option<String>,
    /// What of a mask removes.
    pub mask_channel: MaskChannel,
    /// Format of the result; that of the photo if not given.
    pub format: Option<Format>,
    /// Quality of a JPEG result, 1 to 100; that of the photo if not given.
    pub quality: Option<u8>,
    /// Fills that come back besides the result.
    pub candidates: usize,
    /// Pipeline.
    pub pipeline: Option<String>,
    /// Where the end of each job is told.
    pub webhook_url: Option<String>,
    /// Parameters of plugins: `plugin.parameter` and value.
    pub sets: Vec<(String, String)>,
    /// Where the photo is, when it is not sent.
    pub image_url: Option<String>,
}

/// Parameters that may come as fields of the form too.
pub const IN_FORM: [&str; 4] = ["points", "labels", "box", "mask_channel"];

/// Every parameter of a service call.
pub const PARAMETERS: &[&str] = &[
    "points",
    "labels",
    "box",
    "mask_channel",
    "dry_run",
    "preview",
    "async",
    "dilate",
    "feather",
    "alternative",
    "output_format",
    "quality",
    "pipeline",
    "webhook_url",
    "candidates",
    "image_url",
    "set",
];

/// An error for each parameter that no service call has: a misspelt one must not be as if it had not been sent.
pub fn unknown(query: &Query) -> Vec<FieldError> {
    let names = query.iter().map(|(name, _)| name.as_str());
    let unknown = names.filter(|name| !PARAMETERS.contains(name));
    unknown
        .map(|name| {
            let hint = nearest(name, PARAMETERS.iter().copied()).map_or_else(
                || format!("known are {}", PARAMETERS.join(", ")),
                |known| format!("did you mean {known}?"),
            );
            let shown = crate::telemetry::short(name, 64);
            let message = format!("there is no parameter of this name; {hint}");
            FieldError::new(&["query", &shown], message, "value_error.unknown_parameter")
        })
        .collect()
}

/// The last value of a parameter.
pub fn value<'a>(query: &'a Query, name: &str) -> Option<&'a str> {
    query
        .iter()
        .rev()
        .find(|(other, _)| other == name)
        .map(|(_, value)| value.as_str())
}

impl Tuning {
    /// Reads the parameters that are there. Reports every one that is wrong.
    pub fn parse(query: &Query) -> Result<Tuning, Vec<FieldError>> {
        let mut errors = Vec::new();
        let sets = query.iter().filter(|(name, _)| name == "set");
        let tuning = Tuning {
            sets: sets
                .filter_map(|(_, text)| match set(text) {
                    Ok(set) => Some(set),
                    Err((message, kind)) => {
                        errors.push(FieldError::new(&["query", "set"], message, kind));
                        None
                    }
                })
                .collect(),
            dry_run: read(query, "dry_run", flag, &mut errors).unwrap_or(false),
            preview: read(query, "preview", flag, &mut errors).unwrap_or(false),
            asynchronous: read(query, "async", flag, &mut errors).unwrap_or(false),
            dilate: read(query, "dilate", whole, &mut errors),
            feather: read(query, "feather", whole, &mut errors),
            alternative: read(query, "alternative", whole, &mut errors),
            mask_channel: read(query, "mask_channel", channel, &mut errors).unwrap_or_default(),
            format: read(query, "output_format", format, &mut errors),
            quality: read(query, "quality", |text| number(text, 100), &mut errors).map(|n| n as u8),
            candidates: read(
                query,
                "candidates",
                |text| number(text, CANDIDATES_MAX),
                &mut errors,
            )
            .unwrap_or_default(),
            pipeline: value(query, "pipeline").map(str::to_string),
            webhook_url: value(query, "webhook_url").map(str::to_string),
            image_url: value(query, "image_url").map(str::to_string),
        };
        if errors.is_empty() {
            Ok(tuning)
        } else {
            Err(errors)
        }
    }

    /// The form of the result.
    pub fn encode(&self) -> EncodeOptions {
        EncodeOptions {
            format: self.format,
            quality: self.quality,
        }
    }

    /// The tuning as parameters of plugins: query parameter, `plugin.parameter`, value.
    pub fn overrides(&self) -> Vec<(&'static str, String, String)> {
        let mut list = Vec::new();
        if let Some(pixels) = &self.dilate {
            list.push(("dilate", "grow.radius_px".to_string(), pixels.clone()));
        }
        if let Some(pixels) = &self.feather {
            list.push(("feather", "feather.width_px".to_string(), pixels.clone()));
        }
        if let Some(rank) = &self.alternative {
            list.push(("alternative", "sam.alternative".to_string(), rank.clone()));
        }
        let sets = self.sets.iter().cloned();
        list.extend(sets.map(|(path, value)| ("set", path, value)));
        list
    }
}

impl Tuning {
    /// The pipeline with the tuning applied, in range. With `rules`, `set` reaches what they list and nothing else. Reports
    /// every parameter that is wrong.
    pub fn applied(
        &self,
        pipeline: &Arc<Pipeline>,
        rules: Option<&Pipelines>,
    ) -> Result<Arc<Pipeline>, Vec<FieldError>> {
        let mut tuned = pipeline.clone();
        let mut errors = Vec::new();
        for (field, path, value) in self.overrides() {
            let refused = field == "set" && rules.is_some_and(|rules| !rules.may_set(&path));
            if refused {
                let path = crate::telemetry::short(&path, 100);
                let text = format!("{path:?} may not be set; pipelines.settable lists what may");
                errors.push(FieldError::new(&["query", field], text, "value_error.set"));
                continue;
            }
            match tuned.with_overrides(&[(path, value)]) {
                Ok(changed) => tuned = Arc::new(changed),
                Err(error) => errors.push(FieldError::new(
                    &["query", field],
                    error.to_string(),
                    "value_error.parameter",
                )),
            }
        }
        if errors.is_empty() {
            Ok(tuned)
        } else {
            Err(errors)
        }
    }
}

type FieldFault = (String, &'static str);

fn read<T>(
    query: &Query,
    name: &str,
    parse: impl Fn(&str) -> Result<T, FieldFault>,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    match parse(value(query, name)?) {
        Ok(value) => Some(value),
        Err((message, kind)) => {
            errors.push(FieldError::new(&["query", name], message, kind));
            None
        }
    }
}

/// `plugin.parameter=value`
fn set(text: &str) -> Result<(String, String), FieldFault> {
    let pair = text.split_once('=').filter(|(path, _)| path.contains('.'));
    pair.map(|(path, value)| (path.to_string(), value.to_string()))
        .ok_or_else(|| {
            (
                "value is not plugin.parameter=value".to_string(),
                "value_error.set",
            )
        })
}

fn flag(text: &str) -> Result<bool, FieldFault> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err((
            "value could not be parsed to a boolean".to_string(),
            "type_error.bool",
        )),
    }
}

/// A whole number, or `auto`; the range is the plugin's.
fn whole(text: &str) -> Result<String, FieldFault> {
    if text == "auto" {
        return Ok(text.to_string());
    }
    match text.parse::<u32>() {
        Ok(number) => Ok(number.to_string()),
        Err(_) => Err((
            "value is not a whole number, 0 or more, or auto".to_string(),
            "type_error.integer",
        )),
    }
}

fn format(text: &str) -> Result<Format, FieldFault> {
    text.parse().map_err(|_| {
        (
            "value is not one of jpeg, png, webp, tiff".to_string(),
            "type_error.enum",
        )
    })
}

fn channel(text: &str) -> Result<MaskChannel, FieldFault> {
    text.parse().map_err(|_| {
        (
            "value is not one of auto, luma, alpha".to_string(),
            "type_error.enum",
        )
    })
}

/// A number from 1 to `max`.
fn number(text: &str, max: usize) -> Result<usize, FieldFault> {
    match text.parse::<i64>() {
        Ok(number) if number < 1 => Err((
            "ensure this value is greater than or equal to 1".to_string(),
            "value_error.number.not_ge",
        )),
        Ok(number) => usize::try_from(number)
            .ok()
            .filter(|number| *number <= max)
            .ok_or_else(|| {
                (
                    format!("ensure this value is less than or equal to {max}"),
                    "value_error.number.not_le",
                )
            }),
        Err(_) => Err((
            "value is not a valid integer".to_string(),
            "type_error.integer",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Tuning, Vec<FieldError>> {
        Tuning::parse(
            &pairs
                .iter()
                .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
                .collect(),
        )
    }

    #[test]
    fn values_are_read_and_the_last_one_counts() {
        let tuning = parse(&[
            ("dilate", "8"),
            ("feather", "0"),
            ("mask_channel", "alpha"),
            ("output_format", "PNG"),
            ("quality", "1"),
            ("quality", "90"),
            ("dry_run", "1"),
            ("candidates", "4"),
            ("x", "y"),
        ])
        .unwrap();
        assert_eq!(
            (
                tuning.format,
                tuning.quality,
                tuning.dry_run,
                tuning.candidates
            ),
            (Some(Format::Png), Some(90), true, 4)
        );
        assert_eq!(tuning.mask_channel, MaskChannel::Alpha);
        let overrides = tuning.overrides();
        assert_eq!(
            overrides[0],
            ("dilate", "grow.radius_px".to_string(), "8".to_string())
        );
        assert_eq!(
            overrides[1],
            ("feather", "feather.width_px".to_string(), "0".to_string())
        );
        assert_eq!(parse(&[]).unwrap(), Tuning::default());
    }

    #[test]
    fn parameters_that_nobody_knows_are_named_with_the_nearest() {
        let query = [("dryrun", "1"), ("quality", "9"), ("zzz", "")];
        let query = query.map(|(name, value)| (name.to_string(), value.to_string()));
        let errors = unknown(&query.to_vec());
        assert_eq!(errors.len(), 2);
        assert!(errors[0].msg.contains("did you mean dry_run?"));
        assert!(errors[1].msg.contains("known are points"));
    }

    #[test]
    fn every_fault_is_reported() {
        let errors = parse(&[
            ("dilate", "-1"),
            ("feather", "a"),
            ("mask_channel", "red"),
            ("output_format", "gif"),
            ("quality", "0"),
            ("dry_run", "maybe"),
            ("candidates", "5"),
        ])
        .unwrap_err();
        let kinds: Vec<&str> = errors.iter().map(|error| error.kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "type_error.bool",
                "type_error.integer",
                "type_error.integer",
                "type_error.enum",
                "type_error.enum",
                "value_error.number.not_ge",
                "value_error.number.not_le"
            ]
        );
        assert_eq!(
            parse(&[("quality", "101")]).unwrap_err()[0].kind,
            "value_error.number.not_le"
        );
    }

    #[test]
    fn parameters_are_those_that_the_interface_declares() {
        let document = serde_json::to_value(cleanplate_api::PUBLIC.document()).unwrap();
        let services = [
            "/v1/services/object-removal",
            "/v1/services/object-removal/batch",
            "/v1/services/segmentation",
        ];
        let declared: BTreeSet<&str> = services
            .iter()
            .flat_map(|path| {
                document["paths"][path]["post"]["parameters"]
                    .as_array()
                    .unwrap()
            })
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(declared, PARAMETERS.iter().copied().collect());
    }
}
