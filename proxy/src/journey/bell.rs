//! A future that is polled only when somebody woke it.
//!
//! A connection's task waits for many things beside its next request: that it is cut, that the gate is about to end, that a client has
//! stood still for too long. Each request wakes the task some four times, and polling all of them each time costs more than the
//! decision does.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Polls `future` when it was woken, and not when its task was woken for something else.
#[derive(Debug)]
pub(super) struct WhenWoken<'a, F> {
    future: Pin<&'a mut F>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// What the future is given to wake.
#[derive(Debug)]
struct Bell {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl<'a, F: Future> WhenWoken<'a, F> {
    /// It is polled once at first.
    pub(super) fn new(future: Pin<&'a mut F>) -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), task: AtomicWaker::new() });
        let waker = Waker::from(Arc::clone(&bell));
        Self { future, bell, waker }
    }
}

impl<F: Future> Future for WhenWoken<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // First: whoever rings from now on reaches this task.
        self.bell.task.register(cx.waker());
        if !self.bell.rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let this = &mut *self;
        this.future.as_mut().poll(&mut Context::from_waker(&this.waker))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::poll;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn it_is_polled_at_first_and_when_it_was_woken() {
        let (polls, notify) = (Cell::new(0), Notify::new());
        let mut inner = std::pin::pin!(async {
            let mut notified = std::pin::pin!(notify.notified());
            std::future::poll_fn(|cx| {
                polls.set(polls.get() + 1);
                notified.as_mut().poll(cx)
            })
            .await;
        });
        let mut outer = WhenWoken::new(inner.as_mut());
        for _ in 0..5 {
            assert!(poll!(&mut outer).is_pending());
        }
        assert_eq!(polls.get(), 1);
        notify.notify_one();
        assert!(poll!(&mut outer).is_ready());
        assert_eq!(polls.get(), 2);
    }

    #[tokio::test]
    async fn whoever_wakes_it_wakes_its_task() {
        let notify = std::rc::Rc::new(Notify::new());
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let waits = {
                    let notify = std::rc::Rc::clone(&notify);
                    tokio::task::spawn_local(async move {
                        let mut inner = std::pin::pin!(notify.notified());
                        WhenWoken::new(inner.as_mut()).await;
                    })
                };
                tokio::task::yield_now().await;
                notify.notify_one();
                waits.await.unwrap();
            })
            .await;
    }
}
