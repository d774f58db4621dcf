//! What a client still sends when its request is refused.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// One of the few bodies that are heard at a time on a connection: a stream that is heard is not over, and nothing else bounds them.
#[derive(Debug)]
pub(super) struct Place(Rc<Cell<usize>>);

impl Place {
    /// `None` if there are as many as may be.
    pub(super) fn on(heard: &Rc<Cell<usize>>) -> Option<Self> {
        let free = heard.get() < MOST;
        free.then(|| {
            heard.set(heard.get() + 1);
            Self(Rc::clone(heard))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// Reads on for a while, and throws it away. The answer is out by then, and most clients stop when they see it; others are heard to
/// their end if that is near. Then the stream is reset with `NO_ERROR` (RFC 9113, section 8.1). Over HTTP/1 the guard does the same.
pub(super) async fn drain(mut body: Incoming, _place: Place) {
    let drained = async {
        let mut bytes = 0_usize;
        while let Some(Ok(frame)) = body.frame().await {
            bytes = bytes.saturating_add(frame.data_ref().map_or(0, bytes::Bytes::len));
            if bytes > DISCARD_BYTES {
                return;
            }
        }
    };
    // Whoever still sends after that has had its time.
    let _enough = tokio::time::timeout(LINGER, drained).await;
}

/// Of one connection. Uploads that are refused come one by one.
const MOST: usize = 8;
const DISCARD_BYTES: usize = 16 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_few_places_and_gets_them_back() {
        let heard = Rc::default();
        let mut places: Vec<_> = (0..MOST).map(|_| Place::on(&heard).unwrap()).collect();
        assert!(Place::on(&heard).is_none());
        places.pop();
        assert!(Place::on(&heard).is_some());
        places.clear();
        assert_eq!(heard.get(), 0);
    }
}
