//! Crashes, for tests: whatever changes the folder of a device asks here first.

use std::cell::Cell;

use super::folder::FolderError;

thread_local! {
    static STEPS: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Lets so many changes happen on this thread, and no more; `None`: all.
pub(super) fn after(steps: Option<u32>) {
    STEPS.set(steps);
}

/// A change is about to happen.
pub(super) fn here() -> Result<(), FolderError> {
    match STEPS.get() {
        None => Ok(()),
        Some(0) => Err(FolderError::Changed { path: "crash".into(), problem: "the test crashed here" }),
        Some(left) => {
            STEPS.set(Some(left - 1));
            Ok(())
        }
    }
}
