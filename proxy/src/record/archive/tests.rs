//! What earlier processes left, and how their chains go on.

use std::path::Path;
use std::time::Duration;

use crate::config::{Audit, AuditSync};

pub(super) fn settings(dir: &Path) -> Audit {
    let sync = AuditSync::Interval(Duration::from_secs(1));
    Audit { dir: dir.to_owned(), sync, rotate_size: 1 << 30, rotate_after: Duration::from_secs(3600) }
}
