//! Frames: one line of JSON, then the bytes of the pictures that it lists, in that order.

use serde::{Deserialize, Serialize};

use crate::manifest::StageKind;
use crate::parameter::Values;

/// Version told to programs.
const PROTOCOL: u32 = 1;
/// Longest line that a program may send.
pub const LINE_BYTES_MAX: usize = 64 << 10;

/// What a picture in a frame is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub name: String,
    pub width: usize,
    pub height: usize,
    pub channels: usize,
    /// `u8`, or `f32` little-endian.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Header {
    /// Bytes of the picture.
    pub fn bytes(&self) -> usize {
        self.width * self.height * self.channels * if self.kind == "f32" { 4 } else { 1 }
    }
}

impl std::fmt::Display for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} {}x{}x{} {}",
            self.name, self.width, self.height, self.channels, self.kind
        )
    }
}

/// A picture with its bytes: rows top to bottom, channels interleaved.
#[derive(Debug)]
pub struct Picture {
    pub header: Header,
    pub data: Vec<u8>,
}

impl Picture {
    pub fn u8(name: &str, width: usize, height: usize, data: Vec<u8>) -> Self {
        Picture {
            header: Self::empty_u8(name, width, height),
            data,
        }
    }
    pub fn f32(name: &str, width: usize, height: usize, data: &[f32]) -> Self {
        Picture {
            header: Self::empty_f32(name, width, height),
            data: data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }
    /// The header of a one-channel byte picture.
    pub fn empty_u8(name: &str, width: usize, height: usize) -> Header {
        Header {
            name: name.to_string(),
            width,
            height,
            channels: 1,
            kind: "u8".to_string(),
        }
    }
    /// The header of an RGB float picture.
    pub fn empty_f32(name: &str, width: usize, height: usize) -> Header {
        Header {
            name: name.to_string(),
            width,
            height,
            channels: 3,
            kind: "f32".to_string(),
        }
    }
}

/// What is asked of a program: one frame.
#[derive(Debug)]
pub struct StageRequest<'a> {
    pub plugin: &'a str,
    pub stage: StageKind,
    pub parameters: &'a Values,
    pub pictures: Vec<Picture>,
}

impl StageRequest<'_> {
    /// The line, and the bytes behind it piece by piece.
    pub fn frame(&self) -> Result<Vec<u8>, serde_json::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            protocol: u32,
            plugin: &'a str,
            stage: StageKind,
            parameters: &'a Values,
            images: Vec<&'a Header>,
        }
        let images = self.pictures.iter().map(|p| &p.header).collect();
        let line = Line {
            protocol: PROTOCOL,
            plugin: self.plugin,
            stage: self.stage,
            parameters: self.parameters,
            images,
        };
        let mut frame = serde_json::to_vec(&line)?;
        frame.push(b'\n');
        self.pictures
            .iter()
            .for_each(|p| frame.extend_from_slice(&p.data));
        Ok(frame)
    }
}

/// A line from a program: exactly one of the fields.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    images: Option<Vec<Header>>,
    error: Option<String>,
    progress: Option<f32>,
}

/// A line from a program, checked against the picture that is wanted.
#[derive(Debug, PartialEq)]
pub enum Said {
    /// The wanted picture's bytes follow.
    Answer,
    /// It cannot do it, and says why.
    Error(String),
    /// It is this far, 0..=1.
    Progress(f32),
}

/// Reads a line.
pub fn read_line(line: &[u8], want: &Header) -> Result<Said, String> {
    let shown = || {
        String::from_utf8_lossy(&line[..line.len().min(200)])
            .trim_end()
            .to_string()
    };
    let read: Line = serde_json::from_slice(line).map_err(|e| {
        format!(
            "it said {:?}, which is no line of the protocol: {e}",
            shown()
        )
    })?;
    match read {
        Line {
            images: Some(images),
            error: None,
            progress: None,
        } => match images.as_slice() {
            [one] if one == want => Ok(Said::Answer),
            other => {
                let got = other
                    .iter()
                    .take(4)
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ");
                Err(format!("it answered with images {got:.300}, wanted {want}"))
            }
        },
        Line {
            images: None,
            error: Some(error),
            progress: None,
        } => Ok(Said::Error(error)),
        Line {
            images: None,
            error: None,
            progress: Some(share),
        } if (0.0..=1.0).contains(&share) => Ok(Said::Progress(share)),
        _ => Err(format!(
            "it said {:?}, wanted exactly one of images, error and progress (0 to 1)",
            shown()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn want() -> Header {
        Picture::empty_f32("fill", 4, 3)
    }

    #[test]
    fn an_answer_must_be_the_wanted_picture() {
        let line = |text: &str| read_line(text.as_bytes(), &want());
        let good = r#"{"images":[{"name":"fill","width":4,"height":3,"channels":3,"type":"f32"}]}"#;
        assert_eq!(line(good), Ok(Said::Answer));
        assert_eq!(want().bytes(), 4 * 3 * 3 * 4);
        for (from, to) in [
            ("fill", "mask"),
            (":4,", ":5,"),
            ("f32", "u8"),
            ("[{", "[{\"x\":1,"),
        ] {
            let error = line(&good.replace(from, to)).unwrap_err();
            assert!(error.starts_with("it "), "{error}");
        }
        assert_eq!(line(r#"{"error":"no"}"#), Ok(Said::Error("no".into())));
        assert_eq!(line(r#"{"progress":0.5}"#), Ok(Said::Progress(0.5)));
        assert!(
            line(r#"{"progress":2}"#).is_err()
                && line(r#"{"progress":0.5,"error":"x"}"#).is_err()
                && line("{}").is_err()
        );
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Err(error) = read_line(&line, &want()) {
                prop_assert!(error.len() < 4000);
            }
        }
    }
}
