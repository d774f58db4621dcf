//! Serves one of the examples on its own: `cargo run -p sekisho-examples -- share 127.0.0.1:8080`.

use std::process::ExitCode;

use sekisho_examples::{chat, share};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (app, address) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or("127.0.0.1:8080".to_owned()));
    let listener = match TcpListener::bind(&address).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("cannot listen on {address}: {error}");
            return ExitCode::from(3);
        }
    };
    println!("http://{address}/ until Ctrl-C");
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    let served = match app.as_str() {
        "share" => share::serve(listener, share::Settings::default(), stop).await,
        "chat" => chat::serve(listener, chat::Settings::default(), stop).await,
        _ => {
            eprintln!("usage: sekisho-examples share|chat [ADDRESS]");
            return ExitCode::from(2);
        }
    };
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(3) }
}
