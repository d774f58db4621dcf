//! What the gate costs, beside proxies that others would take: processor time for each request, waiting, memory.
//!
//! ```sh
//! cargo build --profile dist -p sekisho && cargo bench -p sekisho-tests --bench compare
//! ```
//! `docs/performance.md` says what is measured and how. `-- --help` lists the options.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measurement that cannot go on stops, and it is not the product"
)]

#[path = "../../house/harness/authority.rs"]
#[expect(dead_code, reason = "the stories use the rest of it")]
mod authority;
#[path = "../../house/harness/signer.rs"]
#[expect(dead_code, reason = "the stories use the rest of it")]
mod signer;

mod bench;
mod contest;
mod fill;
mod floor;
mod gate;
mod growth;
mod histogram;
mod keys;
mod load;
mod options;
mod order;
mod page;
mod peers;
mod place;
mod plot;
mod process;
mod program;
mod scenario;
mod setup;
mod table;
mod upstream;

use options::Options;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The program is everybody but the gate and the peers: it starts itself as the load, as the upstream, and as the floor.
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["load", order] => {
            let outcome = load::run(&serde_json::from_str(order).unwrap());
            println!("{}", serde_json::to_string(&outcome).unwrap());
        }
        ["upstream", listen] => upstream::run(listen.parse().unwrap()),
        ["floor", listen, upstream, keys] => floor::run(listen.parse().unwrap(), upstream.parse().unwrap(), keys.as_ref()),
        _ => bench::run(&Options::read(&words)),
    }
}
