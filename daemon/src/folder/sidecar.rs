//! `{stem}.json`: the parameters of a request for one photo, and `_folder.json` for all of a folder.

use cleanplate_api::FieldError;
use cleanplate_basics::nearest;
use cleanplate_store::FailureCode;
use serde_json::{Map, Value};

use super::report::PairFault;
use crate::prompts::{self, Prompts};
use crate::tuning::{PARAMETERS, Query, Tuning};

/// Longest sidecar that is read.
pub const BYTES_MAX: u64 = 64 << 10;
/// Parameters that say what to remove.
const PROMPTS: [&str; 3] = ["points", "labels", "box"];
/// Parameters of a request that mean nothing in a folder.
const OF_REQUESTS: [&str; 6] = [
    "dry_run",
    "preview",
    "async",
    "webhook_url",
    "candidates",
    "image_url",
];
/// For those that got it wrong.
const WANTED: &str = r#"wanted: {"points":[[x,y],...],"labels":[1,0,...],"box":[x1,y1,x2,y2]} and parameters such as "pipeline", "dilate" or "quality""#;

/// What a sidecar says, by parameter.
pub type Said = Map<String, Value>;

/// What a sidecar asks for.
#[derive(Debug)]
pub struct Asked {
    /// Points and box.
    pub prompts: Option<Prompts>,
    /// Everything else.
    pub tuning: Tuning,
    /// What of it was left out.
    pub warnings: Vec<String>,
}

/// The object that a sidecar holds. A byte order mark at its front, as some editors write it, is no part of it.
pub fn object(bytes: &[u8]) -> Result<Said, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("it is UTF-16; save it as UTF-8".to_string());
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// Whether it says what to remove.
pub fn has_prompts(said: &Said) -> bool {
    let given = |name: &&str| match said.get(*name) {
        None | Some(Value::Null) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    };
    ["points", "box"].iter().any(given)
}

/// What `own` says over what `others` say; prompts are taken from one of them only.
pub fn merge(own: Said, mut others: Said) -> Said {
    if has_prompts(&own) {
        others.retain(|name, _| !PROMPTS.contains(&name.as_str()));
    }
    others.extend(own);
    others
}

/// A remark on each parameter that nothing comes of.
pub fn remarks(said: &Said) -> Vec<String> {
    let remark = |name: &String| {
        let shown = crate::telemetry::short(name, 64);
        if OF_REQUESTS.contains(&name.as_str()) {
            return Some(format!("sidecar: {shown} means nothing in a folder"));
        }
        if PARAMETERS.contains(&name.as_str()) {
            return None;
        }
        let hint = nearest(name, PARAMETERS.iter().copied());
        let hint = hint.map_or(String::new(), |known| format!("; did you mean {known}?"));
        Some(format!("sidecar: there is no parameter {shown:?}{hint}"))
    };
    said.keys().filter_map(remark).collect()
}

/// Reads every parameter.
pub fn read(said: &Said, points_max: usize) -> Result<Asked, PairFault> {
    let query: Query = said
        .iter()
        .filter(|(name, _)| !OF_REQUESTS.contains(&name.as_str()))
        .flat_map(|(name, value)| {
            values(name, value)
                .into_iter()
                .map(|text| (name.clone(), text))
        })
        .collect();
    let given = |name: &str| crate::tuning::value(&query, name);
    let prompts = prompts::parse(given("points"), given("labels"), given("box"), points_max);
    match (Tuning::parse(&query), prompts) {
        (Ok(tuning), Ok(prompts)) => Ok(Asked {
            prompts,
            tuning,
            warnings: remarks(said),
        }),
        (tuning, prompts) => {
            let wrong = tuning.err().into_iter().chain(prompts.err()).flatten();
            Err(fault(&wrong.collect::<Vec<_>>()))
        }
    }
}

/// A fault of a sidecar's parameters.
pub fn fault(errors: &[FieldError]) -> PairFault {
    let text = |error: &FieldError| match error.loc.last() {
        Some(cleanplate_api::Loc::Name(name)) => format!("{name}: {}", error.msg),
        _ => error.msg.clone(),
    };
    let all: Vec<String> = errors.iter().map(text).collect();
    broken(&all.join("; "))
}

/// A fault of a sidecar as a whole.
pub fn broken(why: &str) -> PairFault {
    PairFault::new(FailureCode::Sidecar, format!("{why}; {WANTED}"))
}

/// A value as a query would have it; `set` may be an object of values or a list.
fn values(name: &str, value: &Value) -> Vec<String> {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match (name, value) {
        (_, Value::Null) => Vec::new(),
        ("set", Value::Object(set)) => set
            .iter()
            .map(|(path, value)| format!("{path}={}", plain(value)))
            .collect(),
        ("set", Value::Array(set)) => set.iter().map(plain).collect(),
        (_, other) => vec![plain(other)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_pictures::Format;

    fn parse(text: &str) -> Result<Asked, PairFault> {
        let said = object(text.as_bytes()).map_err(|why| broken(&why))?;
        read(&said, 4)
    }

    #[test]
    fn prompts_and_parameters_are_read_as_those_of_a_request() {
        let asked = parse(
            "\u{feff}{\"points\":[[1,2],[3,4]],\"labels\":[1,0],\"box\":[9,8,0,0],\"dilate\":4,\"feather\":\"auto\",
            \"output_format\":\"PNG\",\"quality\":90,\"pipeline\":\"fast\",\"mask_channel\":\"alpha\",
            \"set\":{\"grow.radius_px\":3},\"labels_\":null}",
        )
        .unwrap();
        let prompts = asked.prompts.unwrap();
        assert_eq!(
            (prompts.points, prompts.rect),
            (
                vec![(1.0, 2.0, 1), (3.0, 4.0, 0)],
                Some([0.0, 0.0, 9.0, 8.0])
            )
        );
        let tuning = asked.tuning;
        assert_eq!(
            (tuning.format, tuning.quality, tuning.pipeline.as_deref()),
            (Some(Format::Png), Some(90), Some("fast"))
        );
        assert_eq!(tuning.overrides().len(), 3);
        assert!(
            asked.warnings[0].contains("did you mean labels?"),
            "{:?}",
            asked.warnings
        );
    }

    #[test]
    fn what_nobody_knows_is_a_remark_and_what_is_wrong_a_fault() {
        let asked =
            parse(r#"{"box":[1,2,3,4],"dialte":3,"async":true,"comment":"by Ann"}"#).unwrap();
        assert_eq!(asked.warnings.len(), 3, "{:?}", asked.warnings);
        assert!(
            asked
                .warnings
                .iter()
                .any(|text| text.contains("did you mean dilate?"))
        );
        assert!(!asked.tuning.asynchronous);
        for (bad, says) in [
            ("", "EOF"),
            ("[]", "invalid type"),
            (r#"{"points":3}"#, "points: "),
            (r#"{"points":[[1,2]],"labels":[]}"#, "labels"),
            (r#"{"quality":0}"#, "quality: ensure"),
            (r#"{"dilate":-1,"output_format":"gif"}"#, "output_format: "),
        ] {
            let fault = parse(bad).unwrap_err();
            assert!(
                fault.code == FailureCode::Sidecar
                    && fault.detail.contains(says)
                    && fault.detail.contains("wanted:"),
                "{bad}: {fault:?}"
            );
        }
        assert!(object(b"\xff\xfe{\0}\0").unwrap_err().contains("UTF-16"));
    }

    #[test]
    fn own_parameters_stand_over_those_for_all() {
        let said = |text: &str| object(text.as_bytes()).unwrap();
        let all = said(r#"{"points":[[5,5]],"labels":[1],"quality":80,"dilate":2}"#);
        let own = merge(said(r#"{"box":[1,2,3,4],"quality":95}"#), all.clone());
        assert_eq!(
            Value::Object(own),
            serde_json::json!({ "box": [1, 2, 3, 4], "quality": 95, "dilate": 2 })
        );
        let own = merge(said(r#"{"quality":95}"#), all);
        assert!(has_prompts(&own) && own["labels"] == serde_json::json!([1]));
        assert!(!has_prompts(&said(
            r#"{"points":[],"box":null,"labels":[1]}"#
        )));
    }
}
