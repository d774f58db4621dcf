//! The threat table: flaws that others shipped, by number, and what the gate does instead.
//!
//! `docs/threats.md` is made of this table and of the `/// Holds: …` lines above tests (see `document`). Numbers never change; a number
//! that is missing was never given.

/// A flaw that somebody shipped.
pub(super) struct Threat {
    pub(super) number: u16,
    pub(super) title: &'static str,
    /// Where it was published.
    pub(super) references: &'static str,
    /// What the gate does.
    pub(super) answer: &'static str,
    /// Why no test of the whole gate can show it. Then none is asked for.
    pub(super) no_test: Option<&'static str>,
}

/// A part of the table.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) threats: &'static [Threat],
}

const fn threat(number: u16, title: &'static str, references: &'static str, answer: &'static str) -> Threat {
    Threat { number, title, references, answer, no_test: None }
}

impl Threat {
    /// The same, with the reason why no test can show it.
    pub(super) const fn without_test(self, reason: &'static str) -> Self {
        Self { no_test: Some(reason), ..self }
    }
}

pub(super) const SECTIONS: &[Section] = &[
    Section { title: "What a request asks for", threats: TARGETS },
    Section { title: "TLS, host names and device certificates", threats: TLS },
    Section { title: "Headers and identities", threats: HEADERS },
    Section { title: "Where a request of HTTP/1.1 ends", threats: FRAMING },
    Section { title: "HTTP/2", threats: HTTP2 },
    Section { title: "OpenID Connect and tokens", threats: TOKENS },
    Section { title: "Sessions and cookies", threats: SESSIONS },
    Section { title: "Policies, configuration, operators' ways in", threats: CONTROL },
    Section { title: "Exhaustion", threats: EXHAUSTION },
];

const TARGETS: &[Threat] = &[
    threat(
        1,
        "A pattern for paths is matched against the query too",
        "CVE-2025-54576, GHSA-7rh7-c77v-6434, GHSA-r27r-rr9v-vv37",
        "Public paths are compared with the path alone, segment by segment and from end to end",
    ),
    threat(
        2,
        "One side cuts the target at `#`",
        "CVE-2026-41059, CVE-2023-45539, CVE-2021-32779, CVE-2023-47106",
        "A `#` in the target is 400 (in HTTP/2, what follows it is read by nobody). `%23` is part of its segment, for the decision and for the app",
    ),
    threat(
        4,
        "The app resolves dot segments that the policy did not",
        "CVE-2026-33494, CVE-2026-42274, CVE-2019-9901, CVE-2025-66490, CVE-2025-32431",
        "A segment of one or two dots is 400, however it is written",
    ),
    threat(
        6,
        "Doubled slashes are taken for a host, or merged by the app",
        "CVE-2026-26205, CVE-2021-29492",
        "An empty segment is 400, so a path never begins with two slashes; a target that begins with a slash never names a host",
    ),
    threat(
        8,
        "Path parameters hide a segment",
        "CVE-2026-73551, CVE-2026-73511, CVE-2026-73553",
        "A `;` in the path is 400, and so is `%3B`, which servers on the way to the app are known to decode",
    ),
    threat(
        9,
        "What is decoded once here is decoded twice there",
        "CVE-2025-47952, CVE-2021-42013",
        "A path is decoded once; one that would decode further is 400, and the app gets what was decided on",
    ),
    threat(
        11,
        "NUL, control characters, overlong UTF-8 and broken percent signs in the target",
        "CWE-176, RFC 3986 2.1",
        "400 for each of them; the path decoded is UTF-8 without control characters",
    ),
    threat(
        13,
        "A host is matched as a pattern, or a piece of it",
        "CVE-2026-55602, CVE-2026-39350, GHSA-r27r-rr9v-vv37",
        "Hosts are compared whole, label by label; there is no app for all the others",
    ),
    threat(
        15,
        "`:path` without a leading slash passes by the rules for paths",
        "CVE-2026-33186, GHSA-p77j-4mvh-x3m3",
        "A path begins with a slash, or the request is refused; `*` belongs to OPTIONS alone",
    ),
    threat(
        16,
        "The target names one host, `Host` another",
        "RFC 9112 3.2.2, CVE-2023-29406",
        "Both have to be the same host, or the request is 400; user names and other schemes in a target are 400",
    ),
    threat(
        18,
        "The policy reads one query, the app another",
        "CVE-2022-2880, CVE-2026-39825",
        "No fact of a policy comes from the query; the app gets it byte for byte",
    ),
    threat(
        19,
        "A health checker's `User-Agent` opens every path",
        "CVE-2026-34457, GHSA-5hvv-m4w4-gf6v",
        "Health pages are on a listener of their own; no header stands in for a sign-in",
    ),
    threat(
        21,
        "What passes as a preflight takes forged identities along",
        "CVE-2026-56746",
        "A preflight is an OPTIONS with both its headers, answered here or sent on without cookies, credentials, identities and body, as the app is set",
    ),
    threat(
        22,
        "What cannot be parsed is answered with success",
        "CVE-2021-32637, GHSA-68wm-pfjf-wqp6",
        "Whatever a room cannot read is refused with a reason of its own; there is no answer of success in the table of refusals",
    ),
];

const TLS: &[Threat] = &[
    threat(
        23,
        "A TLS session of one host is resumed at another that asks for certificates",
        "CVE-2025-23419, CVE-2025-23048, CVE-2014-3616",
        "Every host asks for a certificate in the same way, and trust in it is judged on every request, resumed or not",
    ),
    threat(
        25,
        "The handshake names a lax host, the request a strict one",
        "CVE-2019-20894, CVE-2026-48491",
        "What an app asks of devices is judged by the request's host against what this connection proved; a host that the certificate of the handshake does not cover is 421",
    ),
    threat(
        27,
        "Case, final dots, ports or wildcards make two names of one",
        "CVE-2022-23632, CVE-2026-53622, CVE-2026-48794, CVE-2026-42273, CVE-2026-27588, GHSA-328g-jx67-v94g",
        "One reading of host names, for certificates, routes and policies: lower case, no final dot, our port",
    ),
    threat(
        28,
        "Without a known name, a handshake falls to a lax default",
        "CVE-2026-50149",
        "Whoever names no host, or an unknown one, sees the first certificate; a host that it does not cover is 421, and whichever it covers is judged like any other",
    ),
    threat(
        30,
        "A missing or broken CA file switches client certificates off",
        "CVE-2026-27586, CVE-2022-46153, GHSA-qm8v-g4f9-qhjx",
        "The gate does not start with it, and a reload keeps what it had",
    ),
    threat(
        31,
        "A certificate for another purpose passes as a client's",
        "CVE-2022-21657",
        "The leaf is for client authentication, is no authority, may sign, and has a key of a kind that the gate would certify; or the device is unknown",
    ),
    threat(
        33,
        "Text in a certificate's names passes for structure",
        "CVE-2021-44532, CVE-2021-44533, CVE-2025-1097",
        "A device id is one field of one certificate with a narrow alphabet; a certificate is known by its fingerprint",
    ),
    threat(
        34,
        "A header is believed to be the client's certificate",
        "CVE-2024-10039, RFC 9440",
        "Such headers are removed on arrival; devices are known by the connection alone",
    ),
    threat(
        35,
        "A withdrawn certificate passes",
        "RUSTSEC-2026-0049, GHSA-pwjx-qhcg-rvj4",
        "A certificate whose status a list does not tell, or a list that is too old, refuses",
    ),
    threat(
        37,
        "Name constraints are passed by",
        "RUSTSEC-2026-0098, RUSTSEC-2026-0099, CVE-2025-61727, CVE-2026-33810",
        "A chain outside its authority's constraints is refused",
    ),
    threat(
        39,
        "Early data is served before anybody has proved anything",
        "CVE-2024-39321, RFC 8470",
        "No early data is accepted",
    ),
    threat(
        40,
        "Handshakes that stall outlive every deadline",
        "CVE-2026-26999, CVE-2026-22045",
        "A handshake has one deadline from its first byte to its last, the first request another, and an address has a share of connections",
    ),
    threat(
        42,
        "A plain connection is upgraded to TLS in the middle",
        "CVE-2025-49812",
        "The plain listener redirects and closes; nothing but a WebSocket is upgraded to",
    ),
];

const HEADERS: &[Threat] = &[
    threat(
        44,
        "A client's identity headers stay where the proxy sets none",
        "CVE-2026-30851, GHSA-7r4p-vjf4-gxv4, CVE-2026-25748",
        "They are removed from every request, whatever its way is, before ours are set",
    ),
    threat(
        45,
        "Underscores, dots and doubles pass for an identity header",
        "CVE-2025-64484, CVE-2026-39858, CVE-2026-54763, CVE-2026-88011",
        "Names are compared with `_` and `.` read as `-`; what then means a reserved name is removed",
    ),
    threat(
        47,
        "`Connection` names the proxy's own headers, which go",
        "CVE-2024-45410, CVE-2026-29054, CVE-2025-48865, CVE-2022-31813, CVE-2021-33197, GHSA-w9mr-28mw-j8hg",
        "Headers of the connection are removed from what came in; ours are set afterwards, on a message of our own",
    ),
    threat(
        49,
        "`X-Forwarded-Prefix` and its like steer redirects or rules",
        "CVE-2026-35051, CVE-2024-52003, CVE-2020-15129",
        "Removed on arrival; no address that the gate writes is made of a header",
    ),
    threat(
        50,
        "A client says which address it has",
        "CVE-2024-47070, CVE-2025-41235, CVE-2026-27700, GHSA-7jmw-8259-q9jx",
        "The address is the socket's, or a listed balancer's in PROXY protocol, in canonical form; what headers say is removed and written anew",
    ),
    threat(
        54,
        "The policy sees one of several values, the app another",
        "CVE-2026-26308, CVE-2021-32777, CVE-2026-31838",
        "No fact of a policy is a client's header; the app gets the values as they came",
    ),
    threat(
        56,
        "Two credentials, or one that can be read in two ways",
        "GHSA-mp85-7mrq-r866, CVE-2025-64527, CVE-2026-47673",
        "More than one `Authorization` is 400, another scheme or shape names nobody; where our cookie is, the token is not asked",
    ),
    threat(57, "`Proxy` becomes `HTTP_PROXY` in the app", "CVE-2016-5385", "Removed on arrival"),
    threat(
        59,
        "A client sends the headers by which proxies are steered",
        "CVE-2025-29927, CVE-2022-38580, CVE-2024-45806",
        "No header steers the gate; the request's id is its own, and `sekisho-` headers are removed",
    ),
    threat(
        60,
        "A signed identity is good at another app too",
        "CVE-2024-8901, CVE-2021-29652, CVE-2021-29651",
        "The assertion names its app as audience, its issuer, its key and a short life; our own addresses do not take it",
    ),
    threat(
        61,
        "Two hosts, or one that can be read in two ways",
        "CVE-2021-39242, CVE-2026-71554, CVE-2026-73550",
        "One `Host` with a host's alphabet, the same as `:authority` where both came; all else is 400",
    ),
    threat(
        62,
        "A claim of the wrong shape passes for membership",
        "CVE-2026-40574",
        "Claims are taken in their exact types: an address has one `@` and counts if verified, groups are a list of texts",
    ),
    threat(
        63,
        "Line ends and commas in claims become headers and members",
        "CVE-2024-21499, CVE-2023-27493, CVE-2026-55603",
        "What is no plain text is percent-encoded in the headers that carry it, commas too; the assertion has it all as JSON",
    ),
];

const FRAMING: &[Threat] = &[
    threat(
        64,
        "`Content-Length` beside `Transfer-Encoding`",
        "CVE-2026-69204, CVE-2026-42581, RFC 9112 6.1",
        "400, and the connection closes",
    ),
    threat(
        65,
        "A `Transfer-Encoding` that only one side understands",
        "CVE-2019-18277, RUSTSEC-2021-0020, CVE-2026-69205",
        "Nothing but `chunked`, once, in whatever case; all else is 400, and the connection closes",
    ),
    threat(
        66,
        "A `Content-Length` that is no plain number",
        "CVE-2023-40225, RUSTSEC-2021-0078, CVE-2023-38697",
        "Digits, below 2^63, once; all else is 400, and the connection closes",
    ),
    threat(
        68,
        "Chunk sizes that are read in two ways",
        "RUSTSEC-2021-0079, CVE-2026-69216, CVE-2025-22871",
        "Sixteen hexadecimal digits and CRLF at most; what is broken never reaches the app as a whole body",
    ),
    threat(
        70,
        "Header lines that are read in two ways",
        "CVE-2023-25725, CVE-2019-16276",
        "A token, a colon, a value without control characters, on one line; all else is 400, and the connection closes",
    ),
    threat(72, "CR or LF alone ends a line for one side", "RFC 9112 2.2", "400 for each, and the connection closes"),
    threat(
        74,
        "A tunnel opens before the app has said 101",
        "CVE-2026-2833, CVE-2026-73548",
        "Nothing behind the head is read before the app's 101 has been checked; without it, what follows is requests",
    ),
    threat(
        75,
        "An upgrade to h2c tunnels past every check",
        "CVE-2022-41721, CVE-2026-88008",
        "Only `websocket` alone is an upgrade; any other is served as the plain request that it is, without those headers",
    ),
    threat(77, "CONNECT is sent on, and its body stays in the pool", "CVE-2026-71324, CVE-2025-64763", "501 here, never sent on"),
    threat(
        78,
        "A body that nobody read becomes the next request",
        "CVE-2025-4366",
        "A connection whose body was not read to its end closes after the answer",
    ),
    threat(
        79,
        "Bodies where none is expected",
        "RUSTSEC-2020-0008",
        "The framing goes on with the body for every method; a connection to an app with bytes left over is not used again",
    ),
    threat(82, "Trailers become headers", "RFC 9110 6.5.1", "Trailers of requests are checked and dropped"),
    threat(83, "TRACE shows credentials to whoever asks", "CVE-2003-1567, CVE-2010-0386", "501 here, never sent on"),
    threat(
        85,
        "Who signed in stays with the connection",
        "CVE-2026-88007",
        "Every request is decided for itself; `Negotiate` and `NTLM`, which sign connections in, do not pass",
    ),
];

const HTTP2: &[Threat] = &[
    threat(
        86,
        "HTTP/2 fields become lines of HTTP/1.1",
        "CVE-2021-33193, CVE-2023-27493",
        "Names and values keep to the grammar of both, lengths agree with the data, or the stream ends; our message to the app is built anew",
    ),
    threat(88, "Fields of the connection in HTTP/2", "RFC 9113 8.2.2", "The stream ends, or the field does not reach the app"),
    threat(
        90,
        "Streams are opened and reset without end",
        "CVE-2023-44487, CVE-2025-8671",
        "Resets are counted, and too many end the connection; work for a reset stream ends with it",
    ),
    threat(
        92,
        "Header blocks that never end",
        "CVE-2024-27316, RUSTSEC-2024-0332, CVE-2024-27919",
        "A block is bounded, and beyond that the connection ends",
    ),
    threat(
        94,
        "Frames without data",
        "RUSTSEC-2026-0258, GHSA-q83h-524g-xf6h, CVE-2019-9518",
        "They are counted, and too many end the connection",
    ),
    threat(
        96,
        "Windows that never open",
        "CVE-2019-9511, CVE-2019-9517",
        "What waits to be read is bounded for each stream, and a reader who does not read is cut off",
    ),
];

const TOKENS: &[Threat] = &[
    threat(
        98,
        "A sign-in ends on somebody else's page",
        "CVE-2020-5233, CVE-2020-11053, CVE-2020-4037, CVE-2022-23527, CVE-2021-29456, CVE-2024-21497",
        "A return address is one of our own https hosts, to the letter, with a plain path behind it; anything else leads to the front page",
    ),
    threat(
        101,
        "Somebody is signed in with another's code",
        "CVE-2026-41425, RFC 9700 4.7",
        "An answer belongs to the browser that asked: its attempt cookie, once",
    ),
    threat(104, "An ID token without the nonce that was asked for", "RFC 9700 4.5.3", "The sign-in fails"),
    threat(
        105,
        "One provider's answer is taken for another's",
        "RFC 9207, CVE-2025-46647",
        "Each answer says whose it is, by `iss` or by a callback of the provider's own, and keys belong to their issuer",
    ),
    threat(
        106,
        "PKCE is left out or weakened",
        "CVE-2023-48228, CVE-2024-23647",
        "Always S256; a provider that says that it cannot is not used",
    ),
    threat(
        107,
        "Tokens without a signature",
        "CVE-2026-28802, CVE-2022-23540",
        "401: the algorithm is one of the issuer's, and the signature has to hold",
    ),
    threat(
        108,
        "Tokens for somebody else",
        "CVE-2025-62610, CVE-2020-26160, GHSA-wcvh-g65p-v576",
        "The audience names us exactly; of several, `azp` has to be us in ID tokens",
    ),
    threat(
        109,
        "A public key is used as a shared secret",
        "CVE-2026-33322, CVE-2024-37568, CVE-2015-9235",
        "No algorithm with shared secrets is known, and each key has its own kind",
    ),
    threat(
        111,
        "`kid` as a path, a query or a flood",
        "CVE-2025-64527, RFC 8725 3.10",
        "A `kid` is a short text that is looked up; unknown ones ask for new keys once in a while, not each",
    ),
    threat(113, "Times of the wrong type count as absent", "CVE-2026-25537", "401: a time is a number"),
    threat(
        114,
        "Tokens that never end",
        "RFC 8725 3.10, RFC 9068 2.2",
        "`exp` and `iss` have to be there, `max_token_lifetime` bounds lives, and clocks may differ by half a minute",
    ),
    threat(
        116,
        "Key sets with keys that should not be used",
        "CVE-2022-21449, CVE-2022-23539, RFC 8725",
        "Keys that are weak, for other uses, ambiguous or malformed are left out; so are signatures that are not canonical",
    ),
    threat(
        118,
        "A token that was once good is good everywhere",
        "CVE-2026-33496, GHSA-qvp4-rpmr-xwrr, CVE-2026-71326",
        "What is remembered is under the whole token and its provider; claims, device and policy are judged on each request",
    ),
    threat(
        119,
        "A provider's address leads somewhere else",
        "CVE-2026-41413, CVE-2024-21498",
        "HTTPS to the issuer's host and to hosts that are configured, no redirects, bounded in size and time; what fails leaves the old keys in force for a bounded time",
    ),
    threat(
        121,
        "Keys change, or their source fails",
        "CVE-2025-64527, RFC 8725",
        "A key that is gone stops counting at the next refresh; an outage refuses what cannot be checked",
    ),
    threat(
        122,
        "Logout tokens that nobody issued",
        "OpenID Connect Back-Channel Logout 1.0",
        "Signature, issuer, audience, event, age and single use are checked, or nothing ends",
    ),
    threat(
        124,
        "The provider's error text becomes our page",
        "CVE-2021-32702, CVE-2023-52430, CVE-2026-40302",
        "Our own words; nothing from the address is shown, and the page runs no script",
    ),
    threat(
        127,
        "`at_hash` of an unknown algorithm counts as right",
        "CVE-2026-28498",
        "What cannot be computed does not match, and the sign-in fails",
    ),
    threat(128, "The user-info page speaks of somebody else", "OpenID Connect Core 5.3.2", "The sign-in fails"),
    threat(
        129,
        "A session of one app opens another",
        "CVE-2024-47077",
        "Cookies belong to one host, tokens name their audience, and every app is decided for itself",
    ),
];

const SESSIONS: &[Threat] = &[
    threat(
        132,
        "A session id from before the sign-in lives on",
        "CVE-2026-34454",
        "A sign-in gives a new id; what was there before is worth nothing",
    ),
    threat(
        134,
        "Cookies in pieces, quotes and masses",
        "CVE-2026-40303, CVE-2024-24814",
        "A session cookie is one id of a fixed length; heads are bounded in size and count",
    ),
    threat(
        135,
        "A damaged cookie opens, or ends the process",
        "CVE-2026-25748, CVE-2023-28625",
        "It names nobody: as if it were not there",
    ),
    threat(
        137,
        "A cookie outlives its session",
        "CVE-2025-46344, CVE-2024-21492, CVE-2025-55162",
        "Sessions live here: ended, idle or old ones are gone whatever the cookie says",
    ),
    threat(
        139,
        "What was for one person is kept for all",
        "CVE-2025-48947, CVE-2026-2836",
        "Our own answers are `no-store`, and what an app answers to a person is for no shared cache",
    ),
    threat(
        140,
        "Another site's page uses the person's cookies",
        "CVE-2022-41924, CWE-1385",
        "Requests that change something and WebSockets come from the app's own pages, or from origins that its settings list",
    ),
    threat(
        141,
        "Secrets in logs, and lines that were not written by us",
        "CVE-2024-45808, CVE-2025-25294, CVE-2025-58189, CVE-2022-23469",
        "One JSON line for each event, escaped; secrets have a type that does not print",
    ),
    threat(143, "Ids that can be guessed", "CVE-2024-21495", "256 bits of the system's random numbers"),
];

const CONTROL: &[Threat] = &[
    threat(
        146,
        "What decides fails, and everything passes",
        "CVE-2026-54762, CVE-2026-50197, CVE-2021-32637",
        "Refused with 503 and a reason of its own; nothing reaches the app",
    ),
    threat(
        147,
        "No rule means that all is allowed",
        "GHSA-328g-jx67-v94g, CVE-2025-66479, CVE-2021-21411",
        "No permit, no access; unknown keys of the configuration are errors",
    ),
    threat(149, "A rule that fails does not count", "Cedar's `errors` field", "An error in any policy refuses the request"),
    threat(
        150,
        "A bad reload leaves half a set",
        "CVE-2026-27586, GHSA-qm8v-g4f9-qhjx",
        "Checked first, swapped whole; what is wrong leaves the old set in force",
    ),
    threat(
        151,
        "Operators' pages on the public side",
        "CVE-2022-24797, CVE-2025-24030, CVE-2026-27589, CVE-2021-32783",
        "Metrics have a listener of their own, which answers no page of a browser and no borrowed name; commands a socket with file permissions. An app cannot lie at either, whatever its name stands for",
    ),
    threat(
        153,
        "The app's certificate is not checked",
        "CVE-2025-66491, GHSA-qm8v-g4f9-qhjx",
        "502; there is no setting that leaves it out, and no way back to plain HTTP",
    ),
];

const EXHAUSTION: &[Threat] = &[
    threat(
        155,
        "Clients that send slowly",
        "CVE-2007-6750, CVE-2026-56853",
        "Deadlines for heads, bodies and handshakes, and a share of connections for each address",
    ),
    threat(156, "Heads that are too large", "CVE-2025-58186", "Bounds on bytes, header lines and targets: 431, 400 or 414"),
    threat(
        160,
        "Small bodies that become large",
        "CVE-2026-53716, CWE-409",
        "Bodies are never decoded; they are bounded for each app, and so is what chunks cost beside their data",
    ),
];
