//! Middleware around every route: tells the connection's meter where its request stands, and bounds the wait for its body.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage};
use futures_util::Stream;
use tokio::time::{Instant, Sleep};

use super::Meter;
use crate::config::UploadTime;

/// The middleware. Goes around all others.
pub async fn bound(
    mut req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(meter) = req.conn_data::<Arc<Meter>>().cloned() else {
        return Ok(next.call(req).await?.map_into_boxed_body());
    };
    let (transfer, payload) = (meter.spans().transfer, req.take_payload());
    let body = matches!(payload, Payload::H1 { .. });
    let request = Request::begin(meter.clone(), body);
    if body {
        let payload: Pin<Box<dyn Stream<Item = _>>> =
            Box::pin(Awaited::new(payload, transfer, meter.clone()));
        req.set_payload(payload.into());
    }
    let res = next.call(req).await?.map_into_boxed_body();
    request.0.replying();
    Ok(res.map_body(|_, body| {
        BoxBody::new(Reply {
            body,
            _request: request,
        })
    }))
}

/// A request under way, to the end of its reply.
struct Request(Arc<Meter>);

impl Request {
    fn begin(meter: Arc<Meter>, body: bool) -> Request {
        meter.working(body);
        Request(meter)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.waiting();
    }
}

/// The body of a reply. The library drops it when all of it is on its way.
struct Reply {
    body: BoxBody,
    _request: Request,
}

impl MessageBody for Reply {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_pin_mut().poll_next(cx)
    }
}

/// The body of a request: its reader waits for the client for no longer than the bytes that came are worth.
struct Awaited {
    payload: Payload,
    meter: Arc<Meter>,
    /// Its first byte has been asked for.
    asked: bool,
    transfer: UploadTime,
    bytes: u64,
    waited: Duration,
    wait: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Awaited {
    fn new(payload: Payload, transfer: UploadTime, meter: Arc<Meter>) -> Awaited {
        Awaited {
            payload,
            meter,
            asked: false,
            transfer,
            bytes: 0,
            waited: Duration::ZERO,
            wait: None,
        }
    }
}

impl Stream for Awaited {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if !std::mem::replace(&mut this.asked, true) {
            this.meter.expectation().wanted();
        }
        if let Poll::Ready(item) = Pin::new(&mut this.payload).poll_next(cx) {
            if let Some((since, _)) = this.wait.take() {
                this.waited += since.elapsed();
            }
            match &item {
                Some(Ok(chunk)) => this.bytes += chunk.len() as u64,
                Some(Err(_)) => {}
                None => this.meter.read(),
            }
            return Poll::Ready(item);
        }
        let left = this
            .transfer
            .patience(this.bytes)
            .saturating_sub(this.waited);
        let (_, sleep) = this
            .wait
            .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Some(Err(PayloadError::Io(
            std::io::ErrorKind::TimedOut.into(),
        ))))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[actix_web::test]
    async fn a_body_lives_as_long_as_it_comes_fast_enough() {
        let transfer = UploadTime {
            base: Duration::from_millis(200),
            bytes_per_s_min: 100,
            max: Duration::from_secs(1),
        };
        let chunks = futures_util::stream::iter(0..5).then(|_| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(Bytes::from_static(b"0123456789"))
        });
        let never = futures_util::stream::pending();
        let payload: Pin<Box<dyn Stream<Item = _>>> = Box::pin(chunks.chain(never));
        let meter = Arc::new(Meter::new(crate::connections::Spans {
            head_max: transfer.max,
            idle_max: transfer.max,
            transfer,
        }));
        let mut body = Awaited::new(payload.into(), transfer, meter);
        let begun = Instant::now();
        for _ in 0..5 {
            assert_eq!(body.next().await.unwrap().unwrap().len(), 10);
        }
        let end = body.next().await.unwrap();
        assert!(
            matches!(&end, Err(PayloadError::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut),
            "{end:?}"
        );
        // 0.2 s and 0.1 s for each 10 bytes.
        assert!(
            begun.elapsed() >= Duration::from_millis(690),
            "{:?}",
            begun.elapsed()
        );
    }
}
