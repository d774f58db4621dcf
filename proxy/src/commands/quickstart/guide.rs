//! What is printed once everything runs.

use std::fmt::Write as _;

use sekisho_examples::idp::demo_people;

use super::devices::Device;
use super::place::Place;
use crate::enrol::client::PKCS12;

/// All of it.
pub(super) fn guide(place: &Place, laptop: &Device, other: &Device, notes: &[String]) -> String {
    let mut text = format!(
        "\nThe gate is open. Everything it keeps is in {}: its configuration and policies (yours to change),\n\
         keys, devices and the record. Delete that folder to begin anew. Ctrl-C stops everything.\n",
        place.shown("")
    );
    for note in notes {
        let _ = writeln!(text, "Note: {note}.");
    }
    text.push_str(&addresses(place));
    text.push_str(&people(laptop, other));
    text.push_str(&browser(place, laptop));
    text.push_str(&pastes(place, laptop, other));
    text
}

fn addresses(place: &Place) -> String {
    format!(
        "\nOpen in a browser that has the laptop's certificate (see below)\n\
         \x20 {share:<32}  a project share with large files\n\
         \x20 {chat:<32}  a chat over a WebSocket\n\
         \x20 {gate:<32}  the gate itself: who you are, what you may open\n\
         \x20 {provider:<32}  the demo identity provider\n\
         \x20 {metrics:<32}  metrics for Prometheus\n",
        share = place.share("/"),
        chat = place.chat("/"),
        gate = format!("{}/", place.gate()),
        provider = format!("{}/", place.provider()),
        metrics = format!("http://127.0.0.1:{}/metrics", place.metrics_port()),
    )
}

fn people(laptop: &Device, other: &Device) -> String {
    let mut text = "\nPeople at the provider (name, password)\n".to_owned();
    for person in demo_people() {
        let device = match person.id.as_str() {
            "alice" => format!("owns the device `{}`", laptop.id),
            "bob" => format!("owns the device `{}`", other.id),
            _ => "has no device, so gets in nowhere".to_owned(),
        };
        let _ = writeln!(text, "  {:<7}{:<13}{:<16}{device}", person.id, person.password, person.groups.join(", "));
    }
    text
}

fn browser(place: &Place, laptop: &Device) -> String {
    format!(
        "\nA browser with the certificate: run this command with --browser, or import by hand, in a profile made for this\n\
         \x20 authority      {root}   (trust it for web sites; it can vouch for *.localhost only)\n\
         \x20 certificate    {p12}\n\
         \x20 its password   {password}\n",
        root = place.shown("tls/root.pem"),
        p12 = place.shown(&laptop.file(PKCS12)),
        password = laptop.password,
    )
}

fn explained(program: &str, config: &str) -> String {
    format!("{program} policy explain --config {config} --user demo/carol --group contractors --to chat")
}

fn pastes(place: &Place, laptop: &Device, other: &Device) -> String {
    let share = |path: &str| place.share(path);
    let with = |who: &str| format!("curl -K {}", place.shown(&format!("curl/{who}")));
    let header = |what: &str| format!("-H @{}", place.shown(&format!("curl/{what}")));
    let (on_laptop, on_other, on_none) = (with(&laptop.name), with(&other.name), with("no-device"));
    let (token, cookie) = (header("alice-token"), header("alice-cookie"));
    let program = std::env::args_os().next().unwrap_or_default();
    let program = super::place::shell(std::path::Path::new(&program));
    let socket = super::place::shell(&place.socket());
    let config = place.shown("sekisho.toml");
    let lines = [
        ("allowed: Alice, on her laptop, with a token that is bound to it", format!("{on_laptop} {token} {}", share("/headers"))),
        ("allowed: Alice's browser session, on her laptop", format!("{on_laptop} {cookie} {}", share("/headers"))),
        ("refused: the same token without a device", format!("{on_none} {token} {}", share("/headers"))),
        ("refused: the token, stolen, on another device that is enrolled", format!("{on_other} {token} {}", share("/headers"))),
        ("refused: the session's cookie, stolen, on that device", format!("{on_other} {cookie} {}", share("/headers"))),
        (
            "refused by policy: a token that is bound to no device",
            format!("{on_laptop} {} {}", header("alice-unbound-token"), share("/headers")),
        ),
        (
            "refused by policy: Bob is no administrator of the share (Alice is)",
            format!("{on_other} {} {}", header("bob-token"), share("/admin/")),
        ),
        (
            "isolate the laptop, then try the first line again (`release` takes it back)",
            format!("{program} device quarantine {} --reason \"malware found\" --socket {socket}", laptop.id),
        ),
        ("what was recorded of the thefts", format!("{program} audit query --config {config} --reason credential_replayed")),
        ("policies: run the tests beside them", format!("{program} policy test --config {config}")),
        ("policies: what Carol would need to use the chat", explained(&program, &config)),
        (
            "policies: why the last of the denials above was one, by the id of its request",
            format!(
                "{program} policy explain --config {config} --request \"$({program} audit query --config {config} --decision deny --json \
                 | grep '\"reason\":\"policy_' | tail -n 1 | grep -o '\"request\":\"[0-9a-f]*' | cut -d '\"' -f 4)\""
            ),
        ),
        (
            "policies: prove what they claim (needs the solver cvc5: apt-get install cvc5)",
            format!("{program} policy prove --config {config}"),
        ),
    ];
    let mut text = "\nTo paste into another terminal, in this folder (`curl -K` shows a device's certificate)\n".to_owned();
    for (what, line) in lines {
        let _ = write!(text, "  # {what}\n  {line}\n");
    }
    text
}
