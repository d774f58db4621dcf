//! What must hold for any bytes: one property for each parser of bytes from outside.
//!
//! This list is the one place that names them. The fuzz targets play them on bytes that a fuzzer makes up, and the stable test
//! `fuzz_seeds` on the seeds of each, which it misses where there are none.

mod identity;
mod papers;
mod posture;
mod record;
pub(crate) mod request;
mod rules;
mod wire;

/// A parser of bytes from outside, and what holds of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// Its name: of the target, of its file and of the folder of its seeds.
    pub(crate) name: &'static str,
    /// Panics where it does not hold.
    pub(crate) property: fn(&[u8]),
    /// How many beginnings of each seed the stable test plays too: most faults are at edges, and some parsers are slow.
    pub(crate) beginnings: usize,
}

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    target("audit_line", record::line, 2000),
    target("bearer", identity::bearer, 500),
    target("callback", identity::callback, 500),
    target("certificate", papers::certificate, 40),
    target("checkpoint", record::checkpoint, 20),
    target("config", rules::config, 40),
    target("cookie", identity::cookie, 500),
    target("crl", papers::revocation_list, 40),
    target("csr", papers::request, 40),
    target("device_id", identity::names, 500),
    target("discovery", identity::discovery, 200),
    target("enrol", papers::enrolment, 200),
    target("framing", wire::framing, 2000),
    target("frames", wire::frames, 500),
    target("host", wire::host, 2000),
    target("jwks", identity::jwks, 200),
    target("logout", identity::logout, 200),
    target("operator", rules::operator, 200),
    target("path", wire::path, 2000),
    target("policies", rules::policies, 10),
    target("policy_tests", rules::policy_tests, 20),
    target("posture", posture::push, 200),
    target("proxy_protocol", wire::proxy_protocol, 2000),
    target("request", request::way, 100),
    target("request_http2", request::way_of_http2, 50),
    target("segment", record::segment, 20),
    target("summary", record::summary, 200),
    target("tpm_public", papers::public_area, 500),
];

const fn target(name: &'static str, property: fn(&[u8]), beginnings: usize) -> Target {
    Target { name, property, beginnings }
}

/// Plays the property of this name.
pub(crate) fn play(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name && target.beginnings > 0);
    (target.expect("a target of this name").property)(bytes);
}
