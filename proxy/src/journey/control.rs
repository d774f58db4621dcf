//! The way from a data core to the control runtime, with a bound: when it is full, it refuses and does not wait.

use std::fmt;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// Runs work of a request on the control runtime: sign-in, enrolment, key sets. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    runtime: Handle,
    room: Arc<Semaphore>,
}

/// The work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Too much of it is under way.
    #[error("too many sign-ins and the like are under way")]
    Full,
    /// It ended badly, or the gate is closing.
    #[error("the work was not finished")]
    Lost,
}

impl Control {
    /// Lets at most `room` pieces of work be under way at once.
    pub fn new(runtime: Handle, room: usize) -> Self {
        Self { runtime, room: Arc::new(Semaphore::new(room)) }
    }

    /// Does `work` there, and waits for it here. If the caller goes away, the work is finished all the same: half a sign-in
    /// would be worse.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn call<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, ControlError> {
        let seat = Arc::clone(&self.room).try_acquire_owned().map_err(|_full| ControlError::Full)?;
        let task = self.runtime.spawn(async move {
            let outcome = work.await;
            drop(seat);
            outcome
        });
        task.await.map_err(|error| {
            tracing::error!(%error, "work on the control runtime was lost");
            ControlError::Lost
        })
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("free", &self.room.available_permits()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_room_refuses_at_once() {
        let control = Control::new(Handle::current(), 1);
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let first = tokio::spawn({
            let control = control.clone();
            async move { control.call(wait).await }
        });
        while control.room.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(control.call(async {}).await, Err(ControlError::Full));
        go.send(()).unwrap();
        assert!(first.await.unwrap().is_ok());
        assert_eq!(control.call(async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_panics_is_lost_and_leaves_its_seat() {
        let control = Control::new(Handle::current(), 1);
        assert_eq!(control.call(async { panic!("on purpose") }).await, Err::<(), _>(ControlError::Lost));
        assert_eq!(control.call(async {}).await, Ok(()));
    }
}
