//! Parts of this room alone, for the fuzz targets. The gate itself does not use it.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Uri};

use super::error::ForwardError;
use super::frames::Frames;
use super::{cookies, request_head};
use crate::read::Clean;

/// What an app over HTTP/1.1 would be asked for: the target, and those headers that are the client's own.
///
/// # Errors
/// [`ForwardError::Unexpressible`].
pub fn clients_part(request: &Clean) -> Result<(Uri, HeaderMap), ForwardError> {
    let path = request_head::path_and_query(request)?;
    Ok((Uri::from(path), request_head::clients_own(request.headers.clone())))
}

/// What is left of a `Cookie` header.
pub fn others_cookies(header: HeaderValue) -> Option<HeaderValue> {
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, header);
    cookies::remove_ours(&mut headers);
    headers.remove(COOKIE)
}

/// Whether a WebSocket is between two frames after these pieces.
pub fn at_boundary<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let mut frames = Frames::default();
    pieces.into_iter().for_each(|piece| frames.advance(piece));
    frames.at_boundary()
}
