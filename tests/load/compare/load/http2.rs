//! HTTP/2: on each connection as many requests at once as were ordered.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::TlsConnector;

use super::super::order::{Order, Outcome};
use super::feed::{Ask, Feed};
use super::tally::Tally;
use super::{connect, tls};

pub(super) fn run(order: &Order) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tally = Rc::new(RefCell::new(Tally::new(order)));
    LocalSet::new().block_on(&runtime, go(order, &tally));
    Rc::into_inner(tally).unwrap().into_inner().into_outcome()
}

async fn go(order: &Order, tally: &Rc<RefCell<Tally>>) {
    let feed = Rc::new(RefCell::new(Feed::new(order, "")));
    let mut streams = JoinSet::new();
    for number in 0..order.connections {
        let Some(ask) = feed.borrow_mut().next(number).cloned() else { break };
        match open(order, number, &ask.host).await {
            Ok(sender) => {
                for _ in 0..order.streams {
                    let (sender, feed, tally) = (sender.clone(), Rc::clone(&feed), Rc::clone(tally));
                    let path = order.path.clone();
                    streams.spawn_local(async move { stream(number, sender, &path, &feed, &tally).await });
                }
            }
            Err(error) => tally.borrow_mut().broke(&error),
        }
    }
    let mut beat = tokio::time::interval(Duration::from_millis(1));
    loop {
        tokio::select! {
            biased;
            ended = streams.join_next() => if ended.is_none() { break },
            _time = beat.tick() => tally.borrow_mut().look(),
        }
    }
    tally.borrow_mut().end();
}

async fn open(order: &Order, number: usize, host: &str) -> Result<SendRequest<Bytes>, String> {
    let config = tls::client(&order.keys, number % order.devices, b"h2");
    let socket = connect(number, order.to).and_then(TcpStream::from_std).map_err(|error| format!("connect: {error}"))?;
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let stream = TlsConnector::from(config).connect(name, socket).await.map_err(|error| format!("handshake: {error}"))?;
    let builder = h2::client::Builder::new().initial_window_size(1 << 20).initial_connection_window_size(16 << 20).to_owned();
    let (sender, connection) = builder.handshake(stream).await.map_err(|error| error.to_string())?;
    tokio::task::spawn_local(async move {
        let _its_streams_tell = connection.await;
    });
    Ok(sender)
}

/// One request after the other, until the time is over or nothing is left to ask.
async fn stream(number: usize, mut sender: SendRequest<Bytes>, path: &str, feed: &RefCell<Feed>, tally: &RefCell<Tally>) {
    while !tally.borrow().over {
        let Some(request) = feed.borrow_mut().next(number).map(|ask| request(ask, path)) else { return tally.borrow_mut().end() };
        let asked = Instant::now();
        match exchange(&mut sender, request, tally).await {
            Ok(status) => tally.borrow_mut().answer(status, asked),
            Err(error) => return tally.borrow_mut().broke(&error.to_string()),
        }
    }
}

async fn exchange(sender: &mut SendRequest<Bytes>, request: Request<()>, tally: &RefCell<Tally>) -> Result<u16, h2::Error> {
    std::future::poll_fn(|context| sender.poll_ready(context)).await?;
    let (answer, _no_body) = sender.send_request(request, true)?;
    let answer = answer.await?;
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    while let Some(bytes) = body.data().await.transpose()? {
        body.flow_control().release_capacity(bytes.len())?;
        tally.borrow_mut().body(bytes.len());
    }
    Ok(status)
}

fn request(ask: &Ask, path: &str) -> Request<()> {
    let (name, value) = ask.credential.split_once(": ").unwrap();
    let uri = format!("https://{}{path}", ask.host);
    Request::get(uri).header("user-agent", "compare").header("accept", "*/*").header(name, value).body(()).unwrap()
}
