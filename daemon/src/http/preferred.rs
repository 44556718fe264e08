//! What a client would rather have: `Accept`.

use actix_web::HttpRequest;
use actix_web::http::header::{ACCEPT, Accept, Header};
use cleanplate_pictures::Format;

/// Whether the client wants the picture itself rather than the JSON that tells where it is, and in which format if it says so.
pub fn picture(req: &HttpRequest) -> Option<Option<Format>> {
    if !req.headers().contains_key(ACCEPT) {
        return None;
    }
    let ranked = Accept::parse(req).ok()?.ranked();
    let pictures = ranked.iter().take_while(|media| media.type_() == "image");
    let formats: Vec<_> = pictures.map(|media| media.subtype()).collect();
    if formats.is_empty() {
        return None;
    }
    Some(formats.iter().find_map(|name| match name.as_str() {
        "jpeg" => Some(Format::Jpeg),
        "png" => Some(Format::Png),
        "webp" => Some(Format::WebP),
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_picture_is_sent_to_those_who_put_it_first() {
        let of = |accept: &str| {
            let req = TestRequest::post().insert_header(("Accept", accept));
            picture(&req.to_http_request())
        };
        assert_eq!(of("image/*"), Some(None));
        assert_eq!(of("image/png"), Some(Some(Format::Png)));
        assert_eq!(
            of("image/avif, image/webp, */*;q=0.1"),
            Some(Some(Format::WebP))
        );
        assert_eq!(of("image/png;q=0.5, image/jpeg"), Some(Some(Format::Jpeg)));
        assert_eq!(of("application/json, image/png;q=0.9"), None);
        assert_eq!(of("*/*"), None);
        assert_eq!(of("nonsense"), None);
        assert_eq!(picture(&TestRequest::post().to_http_request()), None);
    }
}
