//! The way from a data core to the control runtime, with a bound: when it is full, it refuses and does not wait.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::inventory::DeviceId;

/// Runs work of a request on the control runtime: sign-in, enrolment, key sets. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    runtime: Handle,
    room: Arc<Semaphore>,
    shares: Arc<Shares>,
}

/// How much work of each device is under way. Those that have none are not in it.
#[derive(Debug, Default)]
struct Shares(Mutex<HashMap<DeviceId, usize>>);

/// One piece of it.
struct Share {
    shares: Arc<Shares>,
    device: DeviceId,
}

/// The work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Too much of it is under way.
    #[error("too many sign-ins and the like are under way")]
    Full,
    /// As much of this device is under way as may be.
    #[error("too many sign-ins and the like of this device are under way")]
    Device,
    /// It ended badly, or the gate is closing.
    #[error("the work was not finished")]
    Lost,
}

impl Control {
    /// Lets at most `room` pieces of work be under way at once.
    pub fn new(runtime: Handle, room: usize) -> Self {
        Self { runtime, room: Arc::new(Semaphore::new(room)), shares: Arc::default() }
    }

    /// As [`Control::call`], for a device that is known: what one of them asks for leaves room for everybody else.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn call_for<T: Send + 'static>(
        &self,
        device: &DeviceId,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ControlError> {
        let share = Share::take(&self.shares, device).ok_or(ControlError::Device)?;
        let work = async move {
            let outcome = work.await;
            drop(share);
            outcome
        };
        self.call(work).await
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

impl Share {
    fn take(shares: &Arc<Shares>, device: &DeviceId) -> Option<Self> {
        let mut taken = shares.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(device) {
            Some(pieces) if *pieces >= OF_A_DEVICE => return None,
            Some(pieces) => *pieces += 1,
            None => drop(taken.insert(device.clone(), 1)),
        }
        drop(taken);
        Some(Self { shares: Arc::clone(shares), device: device.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.device) {
            Some(pieces) if *pieces > 1 => *pieces -= 1,
            _ => drop(taken.remove(&self.device)),
        }
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("free", &self.room.available_permits()).finish_non_exhaustive()
    }
}

/// Pieces of work of one device at once: a browser that opens all its tabs again needs a dozen.
const OF_A_DEVICE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_device_does_not_take_all_the_room() {
        let control = Control::new(Handle::current(), 256);
        let [one, other] = ["lap-1", "lap-2"].map(|id| id.parse::<DeviceId>().unwrap());
        let (go, wait) = tokio::sync::watch::channel(());
        let busy: Vec<_> = (0..OF_A_DEVICE)
            .map(|_| {
                let (control, one, mut wait) = (control.clone(), one.clone(), wait.clone());
                tokio::spawn(async move { control.call_for(&one, async move { wait.changed().await.is_ok() }).await })
            })
            .collect();
        while control.room.available_permits() > 256 - OF_A_DEVICE {
            tokio::task::yield_now().await;
        }
        assert_eq!(control.call_for(&one, async {}).await, Err(ControlError::Device));
        assert_eq!(control.call_for(&other, async {}).await, Ok(()));
        go.send(()).unwrap();
        for call in busy {
            assert_eq!(call.await.unwrap(), Ok(true));
        }
        assert_eq!(control.call_for(&one, async {}).await, Ok(()));
        // Nothing is kept of those who ask for nothing; what panics leaves its place as well.
        assert_eq!(control.call_for(&one, async { panic!("on purpose") }).await, Err::<(), _>(ControlError::Lost));
        assert!(control.shares.0.lock().unwrap().is_empty());
    }

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
