//! Refusals as HTTP replies.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use cleanplate_api::{BodyShape, ErrorBody, ErrorCode, InvalidBody};

use crate::refusal::Refusal;

/// Seconds to wait when nothing better is known.
const RETRY_AFTER_S: u64 = 5;

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let row = self.code.row();
        let mut reply = HttpResponse::build(self.status_code());
        if row.retry_after {
            reply.insert_header((
                RETRY_AFTER,
                self.retry_after_s.unwrap_or(RETRY_AFTER_S).to_string(),
            ));
        }
        match self.code {
            ErrorCode::Unauthorized => {
                reply.insert_header((WWW_AUTHENTICATE, "Bearer"));
            }
            // The rest of the body was not read.
            ErrorCode::UploadTimeout | ErrorCode::TooLarge => {
                reply.insert_header((CONNECTION, "close"));
            }
            _ => {}
        }
        match row.body {
            BodyShape::Text => reply.json(ErrorBody::new(self.code, self.text.clone())),
            BodyShape::Fields => reply.json(InvalidBody::new(self.fields.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn every_code_has_its_status_shape_and_headers() {
        for row in cleanplate_api::ERRORS {
            let refusal = match row.body {
                BodyShape::Text => Refusal::new(row.code, "text"),
                BodyShape::Fields => Refusal::field(&["body", "mask"], "m", "t"),
            };
            let reply = refusal.error_response();
            assert_eq!(reply.status().as_u16(), row.status);
            assert_eq!(
                reply.headers().contains_key(RETRY_AFTER),
                row.retry_after,
                "{}",
                row.name
            );
            assert_eq!(
                reply.headers().contains_key(WWW_AUTHENTICATE),
                row.status == 401
            );
            let body = to_bytes(reply.into_body()).await.unwrap();
            let detail = match row.body {
                BodyShape::Text => r#""text""#,
                BodyShape::Fields => r#"[{"loc":["body","mask"],"msg":"m","type":"t"}]"#,
            };
            let want = format!(r#"{{"detail":{detail},"code":"{}"}}"#, row.name);
            assert_eq!(&body[..], want.as_bytes());
        }
    }
}
