//! Uploads: read to the end, counted, and thrown away. Only their names and sizes stay, and only of the latest.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Serialize;

use crate::web::{self, Reply};

/// An upload that came in whole.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Upload {
    pub(super) folder: String,
    pub(super) name: String,
    pub(super) by: String,
    pub(super) bytes: u64,
}

/// The latest uploads, newest first.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<VecDeque<Upload>>);

impl Uploads {
    /// Reads `body` to its end.
    pub(super) async fn receive(&self, mut body: Incoming, folder: &str, name: &str, by: String, largest: u64) -> Reply {
        let mut bytes = 0_u64;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return web::text(StatusCode::BAD_REQUEST, "the upload broke off\n") };
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if bytes > largest {
                return web::text(StatusCode::PAYLOAD_TOO_LARGE, "that is too large\n");
            }
        }
        let short = |text: &str| text.chars().take(100).collect();
        let upload = Upload { folder: folder.to_owned(), name: short(name), by: short(&by), bytes };
        let reply = web::json(StatusCode::CREATED, &upload);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front(upload);
        kept.truncate(KEPT);
        reply
    }

    /// All that are remembered.
    pub(super) fn all(&self) -> Vec<Upload> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Those in one folder.
    pub(super) fn in_folder(&self, folder: &str) -> Vec<Upload> {
        self.all().into_iter().filter(|upload| upload.folder == folder).collect()
    }
}

const KEPT: usize = 100;
