//! Reads a request's body within limits of size and time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::StreamExt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    TooLarge,
    TooSlow,
    /// It broke off.
    CutShort,
}

/// The whole body, of at most `limit` bytes, within `patience`.
///
/// # Errors
/// As [`Unreadable`] says.
pub async fn read(body: Body, limit: usize, patience: Duration) -> Result<Bytes, Unreadable> {
    tokio::time::timeout(patience, collect(body, limit)).await.unwrap_or(Err(Unreadable::TooSlow))
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Unreadable> {
    let mut chunks = body.into_data_stream();
    let mut kept = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Unreadable::CutShort)?;
        if kept.len() + chunk.len() > limit {
            return Err(Unreadable::TooLarge);
        }
        kept.extend_from_slice(&chunk);
    }
    Ok(kept.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_of(size: usize, limit: usize) -> Result<usize, Unreadable> {
        read(Body::from(vec![b'x'; size]), limit, Duration::from_secs(60)).await.map(|bytes| bytes.len())
    }

    #[tokio::test]
    async fn a_body_at_its_limit_is_read_and_one_byte_more_is_refused() {
        assert_eq!(read_of(0, 10).await, Ok(0));
        assert_eq!(read_of(10, 10).await, Ok(10));
        assert_eq!(read_of(11, 10).await, Err(Unreadable::TooLarge));
    }
}
