//! gRPC of the one method that is served here, written by hand for what generated code cannot do.
//!
//! A batch's rows go to the socket as they were read: they are a frame of their own behind the rest of their message,
//! never copied into an encoder's buffer. And a stream keeps no such buffer: generated code would hold on to room for
//! a whole batch for as long as the stream is open, which is most of what an idle device would cost.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use haversack_proto::sync::sync_event::Event;
use haversack_proto::sync::sync_service_server::SERVICE_NAME;
use haversack_proto::sync::{RowBatch, SyncEvent, SyncRequest};
use http_body::Frame;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use tonic::codec::Streaming;
use tonic::codegen::{Body, Service, http};
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tonic_prost::ProstDecoder;

use crate::errors::SyncError;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::service::SyncEndpoint;
use crate::stream::Events;

/// The path of `SyncService.Sync`.
const SYNC_PATH: &str = "/haversack.sync.v1.SyncService/Sync";

/// What gRPC puts before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// Field numbers of `SyncEvent` and `RowBatch`.
const EVENT_ROWS: u32 = 4;
const BATCH_ROWS: u32 = 5;

impl NamedService for SyncEndpoint {
    const NAME: &'static str = SERVICE_NAME;
}

impl<B> Service<http::Request<B>> for SyncEndpoint
where
    B: Body + Send + 'static,
    B::Error: Into<tonic::codegen::StdError> + Send,
{
    type Response = http::Response<EventBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let endpoint = self.clone();
        Box::pin(async move { Ok(answer(&endpoint, request).await.unwrap_or_else(Status::into_http)) })
    }
}

async fn answer<B>(endpoint: &SyncEndpoint, request: http::Request<B>) -> Result<http::Response<EventBody>, Status>
where
    B: Body + Send + 'static,
    B::Error: Into<tonic::codegen::StdError> + Send,
{
    if request.uri().path() != SYNC_PATH {
        return Err(Status::unimplemented(format!("{SERVICE_NAME} has no such method")));
    }
    let (parts, body) = request.into_parts();
    let mut messages = Streaming::new_request(ProstDecoder::default(), body, None, Some(MESSAGE_BYTES_MAX));
    let message: Option<SyncRequest> = messages.message().await?;
    let message = message.ok_or_else(|| SyncError::RequestInvalid("the call has no request".into()))?;
    let events = endpoint.sync(&MetadataMap::from_headers(parts.headers), message).await?;
    let mut response = http::Response::new(EventBody { events: Some(events), rest: None });
    let grpc = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(http::header::CONTENT_TYPE, grpc);
    Ok(response)
}

/// A stream's events as HTTP/2 sends them; its status comes last.
#[derive(Default)]
pub(crate) struct EventBody {
    events: Option<Events>,
    /// The second half of a message whose first half has been sent.
    rest: Option<Bytes>,
}

impl Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if let Some(rest) = this.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
        let Some(events) = &mut this.events else { return Poll::Ready(None) };
        let next = ready!(Pin::new(events).poll_next(context));
        let frame = match next.map(|event| event.and_then(message)) {
            Some(Ok((first, rest))) => {
                this.rest = rest;
                Frame::data(first)
            }
            Some(Err(status)) => this.end(&status),
            None => this.end(&Status::new(Code::Ok, "")),
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.events.is_none() && self.rest.is_none()
    }
}

impl EventBody {
    /// Gives everything up that the stream held, and says how it ended.
    fn end(&mut self, status: &Status) -> Frame<Bytes> {
        self.events = None;
        let mut trailers = http::HeaderMap::new();
        if status.add_header(&mut trailers).is_err() {
            // A message that no header can carry; the code alone can always be.
            trailers.insert(Status::GRPC_STATUS, http::HeaderValue::from(status.code() as i32));
        }
        Frame::trailers(trailers)
    }
}

/// An event as a gRPC message, in one or two parts.
fn message(mut event: SyncEvent) -> Result<(Bytes, Option<Bytes>), Status> {
    if let Some(Event::Rows(batch)) = event.event.take_if(|it| matches!(it, Event::Rows(_))) {
        return rows_message(batch, &event);
    }
    let mut first = begin(event.encoded_len(), 0)?;
    event.encode(&mut first).expect("there is room for its length");
    Ok((first.freeze(), None))
}

/// The rows are the last field of the last field, so that all else can go before them; `rest` is what goes with the batch.
fn rows_message(mut batch: RowBatch, rest: &SyncEvent) -> Result<(Bytes, Option<Bytes>), Status> {
    let rows = std::mem::take(&mut batch.rows);
    let batch_bytes = batch.encoded_len() + field_bytes(BATCH_ROWS, rows.len());
    let bytes = rest.encoded_len() + field_bytes(EVENT_ROWS, batch_bytes);
    let mut first = begin(bytes, rows.len())?;
    rest.encode(&mut first).expect("there is room for its length");
    put_field(EVENT_ROWS, batch_bytes, &mut first);
    batch.encode(&mut first).expect("there is room for its length");
    put_field(BATCH_ROWS, rows.len(), &mut first);
    Ok((first.freeze(), Some(rows)))
}

/// Room for a message of `bytes`, of which `later` come in a second part, with gRPC's prefix in it.
fn begin(bytes: usize, later: usize) -> Result<BytesMut, Status> {
    if bytes > MESSAGE_BYTES_MAX {
        let message = format!("an event has {bytes} bytes, which is more than {MESSAGE_BYTES_MAX}");
        return Err(SyncError::LimitReached(message).into());
    }
    let mut first = BytesMut::with_capacity(PREFIX_BYTES + bytes - later);
    first.put_u8(0);
    first.put_u32(bytes as u32);
    Ok(first)
}

/// What a length-delimited field takes.
fn field_bytes(number: u32, length: usize) -> usize {
    key_len(number) + encoded_len_varint(length as u64) + length
}

/// Begins a length-delimited field.
fn put_field(number: u32, length: usize, out: &mut BytesMut) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
}

#[cfg(test)]
mod tests {
    use haversack_proto::sync::{Compression, Heartbeat, Position};

    const USER: Bytes = Bytes::from_static(&[9; 16]);

    use super::*;

    fn decoded(event: &SyncEvent) -> SyncEvent {
        let (first, rest) = message(event.clone()).unwrap();
        let whole = [first, rest.unwrap_or_default()].concat();
        assert_eq!(whole[0], 0, "not compressed");
        assert_eq!(u32::from_be_bytes(whole[1..5].try_into().unwrap()) as usize, whole.len() - PREFIX_BYTES);
        SyncEvent::decode(&whole[PREFIX_BYTES..]).unwrap()
    }

    #[test]
    fn every_decoder_reads_a_batch_in_two_parts() {
        let batch = RowBatch {
            entity: 300,
            ordinal_deltas: vec![1, 200, 70_000],
            lsn_deltas: vec![5, -3, 1_000_000],
            compression: Compression::Zstd.into(),
            rows: vec![7; 70_000].into(),
            rows_size: 123_456,
            planned_bytes: 999,
        };
        for rows in [Bytes::new(), batch.rows.clone()] {
            for cookie in [Bytes::new(), Bytes::from_static(b"cookie")] {
                let batch = RowBatch { rows: rows.clone(), ..batch.clone() };
                let position = Some(Position { lsn: 9, history: u64::MAX }).filter(|_| !cookie.is_empty());
                let event = SyncEvent { event: Some(Event::Rows(batch)), position, cookie, user: USER };
                assert_eq!(decoded(&event), event);
            }
        }
    }

    #[test]
    fn other_events_are_one_part() {
        let event = Some(Event::Heartbeat(Heartbeat { instant_us: -5, lsn: 9 }));
        let cookie = Bytes::from_static(b"cookie");
        let event = SyncEvent { event, position: Some(Position::default()), cookie, user: USER };
        assert_eq!(decoded(&event), event);
    }

    #[test]
    fn a_message_beyond_the_limit_is_refused() {
        let batch = RowBatch { rows: vec![0; MESSAGE_BYTES_MAX].into(), ..RowBatch::default() };
        let refused = message(SyncEvent { event: Some(Event::Rows(batch)), ..SyncEvent::default() });
        assert_eq!(refused.unwrap_err().code(), Code::ResourceExhausted);
    }
}
