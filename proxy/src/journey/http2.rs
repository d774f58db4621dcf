//! A connection of HTTP/2, from its handshake to its end.

use std::rc::Rc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::bell::WhenWoken;
use super::calls::{Calls, Trouble};
use super::connection::{Client, answer};
use super::gate::Core;
use super::gathered::Gathered;
use super::stream::Stream;
use super::travel::Hop;
use crate::config::Limits;
use crate::read::Quietly;

/// What the connection's task is told beside the requests.
enum Event {
    /// It ends here and now.
    Cut,
    /// It ends after the answers under way.
    Ends,
    /// Something is wrong with it.
    Trouble(Trouble),
    /// The client sends much that says nothing.
    Noise,
}

/// Serves the connection until it ends.
pub(super) async fn serve(core: &Rc<Core>, limits: &Limits, stream: Box<Stream>, client: &Rc<Client>) {
    let (stream, outlet) = Gathered::new(stream);
    let (stream, noise) = Quietly::new(stream);
    let service = {
        let core = Rc::clone(core);
        let client = Rc::clone(client);
        service_fn(move |request: Request<Incoming>| {
            // Boxed: room for a request is taken while there is one, and the next one on this core has the same.
            Box::pin(answer(Rc::clone(&core), Rc::clone(&client), Hop::http2(), client.calls.begin(), request))
        })
    };
    let connection = http2::Builder::new(OnThisCore(Rc::clone(&client.calls)))
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(limits.h2_streams)
        // h2 refuses what is larger without our page and our record. So it takes more, and `read` has the say.
        .max_header_list_size(u32::try_from(limits.head_bytes.saturating_mul(2)).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let cut = client.is_cut();
    tokio::pin!(cut);
    let idle = limits.idle_timeout;
    client.calls.expect_first_within(limits.header_timeout);
    let mut ending = false;
    let ended = loop {
        let goes_on = !ending;
        let event = async {
            tokio::select! {
                biased;
                () = cut.as_mut() => Event::Cut,
                _closing = client.draining(), if goes_on => Event::Ends,
                () = client.close.wake.notified(), if goes_on => Event::Ends,
                trouble = client.calls.trouble(Some(idle), idle) => Event::Trouble(trouble),
                () = noise.heard() => Event::Noise,
            }
        };
        tokio::pin!(event);
        let event = tokio::select! {
            biased;
            event = WhenWoken::new(event) => event,
            ended = client.serving(connection.as_mut(), |cx| outlet.flush(cx)) => break ended,
        };
        let farewell = match event {
            Event::Cut => return,
            Event::Ends => false,
            Event::Trouble(trouble) => {
                core.gate.metrics.cut.with_label_values(&[trouble.as_str()]).inc();
                // The client had its time. Dropping resets what is still open.
                ending || trouble != Trouble::Idle
            }
            Event::Noise => {
                core.gate.metrics.cut.with_label_values(&["noise"]).inc();
                true
            }
        };
        ending = true;
        connection.as_mut().graceful_shutdown();
        if farewell {
            let last_word = client.serving(connection.as_mut(), |cx| outlet.flush(cx));
            break tokio::time::timeout(FAREWELL, last_word).await.unwrap_or(Ok(()));
        }
    };
    if let Err(error) = ended {
        if let Some(reason) = why_cut(&error) {
            core.gate.metrics.cut.with_label_values(&[reason]).inc();
        }
        tracing::debug!(client = %client.secure.client, %error, "a connection ended badly");
    }
}

/// The word in metrics for a connection of HTTP/2 that was ended for what the client sent; `None` if the client ended it.
fn why_cut(error: &hyper::Error) -> Option<&'static str> {
    let error = std::error::Error::source(error)?.downcast_ref::<h2::Error>()?;
    let ours = error.is_go_away() && error.is_library();
    match error.reason().filter(|_| ours)? {
        h2::Reason::NO_ERROR => None,
        h2::Reason::ENHANCE_YOUR_CALM => Some("h2_flood"),
        _ => Some("h2_malformed"),
    }
}

/// Runs what hyper spawns on the thread that serves the connection: the streams of HTTP/2.
#[derive(Clone, Debug)]
struct OnThisCore(Rc<Calls>);

impl<F> hyper::rt::Executor<F> for OnThisCore
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(Rc::clone(&self.0).run_stream(future));
    }
}

/// Bytes of an HTTP/2 answer that may wait for a slow client, per stream.
const SEND_BUFFER: usize = 64 * 1024;
/// For the last word (GOAWAY) to reach a client that is cut off.
const FAREWELL: Duration = Duration::from_millis(100);
