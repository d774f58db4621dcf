//! A request that was read once, into types. The same object is decided on and forwarded.

use std::cell::RefCell;
use std::sync::Arc;

use http::{HeaderMap, Method, Version};

use super::content::Content;
use crate::clock::Timestamp;
use crate::config::Host;
use crate::secret::{self, NoRandomness};

/// A request with exactly one meaning, without any header that speaks for us or for one hop only.
#[derive(Debug)]
pub struct Clean {
    /// Made here for each request, 128 random bits; never taken from the client.
    pub id: RequestId,
    /// When its head had been read.
    pub at: Timestamp,
    /// The method, upper case.
    pub method: Method,
    /// The one host it is for.
    pub host: Host,
    /// The path in canonical form, beginning with `/`, still percent-encoded. What policy sees is what the app gets.
    pub path: Arc<str>,
    /// The query without `?`, as it came. Never recorded.
    pub query: Option<Box<str>>,
    /// Headers with hop-by-hop and reserved ones removed. Our cookies and `Authorization` are still here; `forward` removes them.
    pub headers: HeaderMap,
    /// What is asked for.
    pub kind: Kind,
    /// The protocol version that the client spoke.
    pub version: Version,
    /// The body, as the client sends it.
    pub body: Content,
    /// What `Content-Length` declared; `None` for chunked or HTTP/2 bodies without it. `Some(0)` if there is no body.
    pub length: Option<u64>,
    /// For [`Kind::WebSocket`]: the client's end of the tunnel, once our answer has agreed to it.
    pub upgrade: Option<hyper::upgrade::OnUpgrade>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary exchange.
    Plain,
    /// A WebSocket: HTTP/1.1 upgrade (RFC 6455) or HTTP/2 extended CONNECT (RFC 8441).
    WebSocket,
    /// A CORS preflight: `OPTIONS` with `Origin` and `Access-Control-Request-Method`.
    Preflight,
}

/// Names a request in the answer, the record and the app's headers: 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(pub [u8; 16]);

/// Makes the names of one core's requests. Randomness is taken for many at a time: asking for it costs as much as sixteen names.
#[derive(Debug)]
pub struct RequestIds(RefCell<(usize, [u8; IN_STOCK])>);

impl RequestIds {
    /// With nothing in stock.
    pub fn new() -> Self {
        Self(RefCell::new((IN_STOCK, [0; IN_STOCK])))
    }

    /// A new name.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system has none to give.
    pub fn next(&self) -> Result<RequestId, NoRandomness> {
        let mut stock = self.0.borrow_mut();
        if stock.0 >= IN_STOCK {
            stock.1 = secret::bytes()?;
            stock.0 = 0;
        }
        let id = stock.1.get(stock.0..).and_then(<[u8]>::first_chunk).copied().ok_or(NoRandomness)?;
        stock.0 += 16;
        Ok(RequestId(id))
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestId {
    /// Its digits. They stand in each line of the record and in each answer.
    pub fn hex(self) -> [u8; 32] {
        let pairs = self.0.map(secret::hex_digits);
        *pairs.as_flattened().first_chunk().unwrap_or(&[b'0'; 32])
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(str::from_utf8(&self.hex()).map_err(|_ascii| std::fmt::Error)?)
    }
}

impl std::fmt::Debug for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RequestId({self})")
    }
}

/// Random bytes that are taken at once: 32 names.
const IN_STOCK: usize = 32 * 16;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_name_is_given_twice_and_all_of_it_is_random() {
        let ids = RequestIds::new();
        let names: HashSet<[u8; 16]> = (0..10_000).map(|_| ids.next().unwrap().0).collect();
        assert_eq!(names.len(), 10_000);
        // Every bit is as often set as not: 5,000 times, give or take eight standard deviations.
        for bit in 0..128 {
            let set = names.iter().filter(|name| name[bit / 8] >> (bit % 8) & 1 == 1).count();
            assert!((4600..=5400).contains(&set), "bit {bit} is set {set} times");
        }
    }
}
