//! What holds of a subject when the record ends: the last step that was taken against it or for it, whatever time is asked about.

use memchr::memmem::Finder;

use crate::commands::audit::report::figures::When;
use crate::commands::audit::report::findings::Standing;
use crate::commands::audit::report::subject::Subject;
use crate::record::EventLine;
use crate::record::read::{LineKind, RawLine, ReadError, RecordFolder, SegmentFile, Sift};

/// Lines of events that may be about the subject.
struct Steps {
    subject: Finder<'static>,
}

impl Standing {
    /// Read from the events of the whole record.
    ///
    /// # Errors
    /// [`ReadError`], when a file cannot be read.
    pub(in crate::commands::audit::report) fn read(folder: &RecordFolder, subject: &Subject) -> Result<Option<Self>, ReadError> {
        let id = serde_json::to_string(subject.id()).unwrap_or_default();
        let mut steps = Steps { subject: Finder::new(id.as_bytes()).into_owned() };
        let mut lines = folder.lines()?;
        let mut last = None;
        while let Some(line) = lines.next_of(&mut steps)? {
            if let Ok(event) = serde_json::from_slice::<EventLine>(line.text)
                && Self::is_a_step(&event, subject)
                && let Some(at) = When::read(&event.at)
            {
                last = Some(Self { event: event.event, at });
            }
        }
        Ok(last)
    }

    fn is_a_step(event: &EventLine, subject: &Subject) -> bool {
        let kinds: &[&str] = match subject {
            Subject::Device(_) => &["device_quarantined", "device_released", "device_retired", "device_approved"],
            Subject::User(_) => &["user_suspended", "user_resumed"],
            Subject::Session(_) => &["session_ended", "signed_out"],
        };
        kinds.contains(&event.event.as_str())
            && subject.is(event.device.as_deref(), event.user.as_deref(), event.session.as_deref())
    }
}

impl Sift for Steps {
    fn file(&mut self, file: &SegmentFile) -> bool {
        &*file.chain == "control"
    }

    fn line(&mut self, line: &RawLine<'_>) -> bool {
        line.kind == LineKind::Event && self.subject.find(line.text).is_some()
    }
}
