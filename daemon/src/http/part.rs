//! Parts of a form, and what their heads call them.
//!
//! A name of a file is for people: whatever bytes it has (Latin-1, GBK, Shift-JIS), the part is taken. The HTTP library refuses a
//! form with a part whose head is not UTF-8, so it is given the body as parts of no form and their heads are read here.

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::HttpRequest;
use actix_web::http::header::{
    CONTENT_DISPOSITION, CONTENT_TYPE, ContentDisposition, HeaderMap, HeaderValue,
};
use futures_util::StreamExt;

use super::upload::{FormBody, broken};
use crate::app::App;
use crate::refusal::Refusal;
use crate::telemetry::{escaped, short};

const FORM: &str = "multipart/form-data";
const PARTS: &str = "multipart/mixed";

/// The parts of a form.
pub struct Form(Multipart);

/// A part of a form.
pub struct Part {
    /// Name of the field.
    pub name: String,
    /// Name that the client gave its file, made safe to show, at most 255 characters. Never used as a path.
    pub filename: String,
    /// What it carries.
    pub field: Field,
}

impl Form {
    /// The form in a request's body; `None` when it is none.
    pub fn of(req: &HttpRequest, body: &FormBody) -> Option<Form> {
        let text = req.headers().get(CONTENT_TYPE)?.to_str().ok()?;
        let (kind, rest) = text.split_at_checked(FORM.len())?;
        let parts = HeaderValue::from_str(&format!("{PARTS}{rest}")).ok()?;
        kind.eq_ignore_ascii_case(FORM).then(|| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, parts);
            Form(Multipart::new(&headers, body.clone()))
        })
    }

    /// The next part; `None` at the end.
    pub async fn next(&mut self, app: &App) -> Result<Option<Part>, Refusal> {
        let Some(field) = self.0.next().await else {
            return Ok(None);
        };
        let field = field.map_err(|error| broken(&error, app))?;
        let head = field.headers().get(CONTENT_DISPOSITION);
        let (name, filename) = head
            .and_then(|value| named(value.as_bytes()))
            .ok_or_else(|| broken(&MultipartError::ContentDispositionNameMissing, app))?;
        Ok(Some(Part {
            name,
            filename: short(&escaped(&filename), 255),
            field,
        }))
    }
}

/// The names of a part and of its file, the latter empty if there is none; `None` when the head is not that of a form's part.
/// Bytes that are not UTF-8 are replaced.
fn named(head: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(head);
    let whole = |text: &str| {
        let value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
        ContentDisposition::from_raw(&value).ok()
    };
    // The second byte of a character may be a backslash, which in UTF-8 would hide the quote behind it.
    let read = whole(&text).or_else(|| whole(&text.replace('\\', "\u{fffd}")))?;
    let name = read.get_name().filter(|_| read.is_form_data())?;
    let file = read.get_filename().unwrap_or_default();
    Some((name.to_string(), file.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(file: &[u8]) -> Option<(String, String)> {
        named(&[b"form-data; name=\"image\"; filename=\"", file, b"\""].concat())
    }

    #[test]
    fn a_file_may_be_called_anything() {
        for (file, shown) in [
            (&b"photo.png"[..], "photo.png"),
            ("\u{5199}\u{771f}.png".as_bytes(), "\u{5199}\u{771f}.png"),
            (b"\xfcber.png", "\u{fffd}ber.png"),
            (b"\xd5\xd5\xc6\xac.png", "\u{fffd}\u{fffd}\u{1ac}.png"),
            (b"\x8e\xca\x90^.png", "\u{fffd}\u{290}^.png"),
            (b"\x95\\", "\u{fffd}\u{fffd}"),
            (b"a\\\"b", "a\"b"),
            (b"", ""),
        ] {
            let found = head(file).unwrap();
            assert_eq!(found, ("image".to_string(), shown.to_string()), "{file:?}");
        }
        let bare = named(b"form-data; name=mask").unwrap();
        assert_eq!(bare, ("mask".to_string(), String::new()));
        let extended = named(b"form-data; name=\"image\"; filename*=UTF-8''a%20b.png").unwrap();
        assert_eq!(extended.0, "image");
    }

    #[test]
    fn a_head_without_a_field_is_none() {
        for bad in [
            &b""[..],
            b"attachment; name=\"image\"",
            b"form-data",
            b"form-data; filename=\"a.png\"",
            b"form-data; name=\"image",
        ] {
            assert_eq!(named(bad), None, "{bad:?}");
        }
    }
}
