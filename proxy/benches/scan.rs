//! How fast the record is asked: `cargo bench -p sekisho --bench scan`. Figures are bytes of lines, uncompressed, on one core.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use sekisho::clock::Timestamp;
use sekisho::record::read::{Filter, RecordFolder, Span};
use sekisho::record::verify::{Trust, verify};
use sekisho::record::{Access, Decision, Head};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let requests: u64 = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(600_000);
    let dir = tempfile::tempdir()?;
    let (plain, packed) = (dir.path().join("plain"), dir.path().join("packed"));
    std::fs::create_dir(&plain)?;
    std::fs::create_dir(&packed)?;
    let bytes = write(&plain, &packed, requests)?;
    println!("{requests} requests, {} MB", bytes / 1_000_000);
    let device = |name: &str| Filter { devices: vec![name.to_owned()], ..Filter::default() };
    for (what, folder) in [("plain", &plain), ("compressed", &packed)] {
        for (who, filter) in [
            ("one device of 1000", device("lap-17")),
            ("a device that is not there", device("lap-x")),
            ("everything", Filter::default()),
        ] {
            let began = Instant::now();
            let mut found = 0_u64;
            let mut requests = RecordFolder::open(folder)?.requests(filter, Span::default())?;
            while requests.next_entry()?.is_some() {
                found += 1;
            }
            rate(&format!("query, {what}, {who}: {found} found"), bytes, began);
        }
    }
    let began = Instant::now();
    let found = verify(&plain, &Trust::default())?;
    assert!(found.faults.is_empty(), "{:?}", found.faults);
    rate("verify, plain, all cores", bytes, began);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn rate(what: &str, bytes: u64, began: Instant) {
    println!("{what}: {:.0} MB/s", bytes as f64 / 1e6 / began.elapsed().as_secs_f64());
}

/// One chain in files of 64 MB, as a gate writes it: an `access` and an `end` for each request.
fn write(plain: &Path, packed: &Path, requests: u64) -> Result<u64, Box<dyn std::error::Error>> {
    let (mut head, mut text, mut total, mut file) = (Head::default(), Vec::new(), 0, 0_u64);
    let mut follows = String::new();
    let at = |n: u64| Timestamp(1_790_000_000_000 + n.cast_signed()).to_string();
    let mut n = 0;
    while n < requests {
        let name = format!("access-{:013}-1-0.jsonl", 1_790_000_000_000 + n);
        text.clear();
        let open = format!(r#"{{"line":"open","at":"{}","version":"0","process":1,"core":"0"{follows}}}"#, at(n));
        head.seal(open.as_bytes(), &mut text);
        while n < requests && text.len() < 64_000_000 {
            let line = serde_json::to_string(&access(n, at(n)))?;
            head.seal(format!(r#"{{"line":"access",{}"#, line.trim_start_matches('{')).as_bytes(), &mut text);
            let end = format!(
                r#"{{"line":"end","at":"{}","request":"{n:032x}","sent":{},"received":0,"ms":12,"ending":"complete"}}"#,
                at(n + 12),
                n % 90_000
            );
            head.seal(end.as_bytes(), &mut text);
            n += 1;
        }
        total += text.len() as u64;
        file += 1;
        std::fs::write(plain.join(&name), &text)?;
        let mut zipped = std::fs::File::create(packed.join(format!("{name}.zst")))?;
        zipped.write_all(&zstd::encode_all(&*text, 3)?)?;
        follows = format!(r#","follows":[{{"segment":"{name}","seq":{},"chain":"{}"}}]"#, head.seq, head.hash);
    }
    println!("{file} files");
    Ok(total)
}

fn access(n: u64, at: String) -> Access {
    let device = n * 7919 % 1000;
    Access {
        request: format!("{n:032x}"),
        client: format!("10.0.{}.{}:50123", device / 250, device % 250),
        connection: n / 10,
        device: Some(format!("lap-{device}")),
        device_facts: Some(format!("{:064x}", device * 31)),
        certificate: Some(format!("{:064x}", device * 37)),
        user: Some(format!("corp/person{device}")),
        session: Some(format!("s-{device:08x}")),
        session_facts: Some(format!("{:064x}", device * 41)),
        binding: Some("session".to_owned()),
        app: Some("wiki".to_owned()),
        method: "GET".to_owned(),
        host: "wiki.corp.example".to_owned(),
        path: format!("/customers/{}/documents/{n}", n % 129),
        protocol: "HTTP/2.0".to_owned(),
        decision: Decision::Allow,
        reason: "permitted".to_owned(),
        policies: vec!["staff-on-their-own-laptops".to_owned()],
        policy_set: Some("ab".repeat(32)),
        asked_at: Some(at.replace('Z', "+00:00")),
        usage: Some([n % 60, n % 1_000_000, n]),
        status: 200,
        length: Some(n % 90_000),
        at,
        ..Access::default()
    }
}
