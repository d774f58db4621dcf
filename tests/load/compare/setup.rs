//! How the gate is set up: as somebody would really run it, with one worker. Nothing is switched off.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::keys::{AUDIENCE, ISSUER};

/// How much there is of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) apps: usize,
    pub(crate) policies: usize,
    pub(crate) devices: usize,
    pub(crate) sessions: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { apps: 10, policies: 100, devices: 1000, sessions: 1000 }
    }
}

/// Addresses and folders of one gate.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) keys: &'a Path,
    pub(crate) https: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) upstream: SocketAddr,
}

/// Writes configuration and policies.
pub(crate) fn write(site: &Site, size: Size) {
    let Site { folder, keys, https, metrics, upstream } = site;
    let (folder, keys) = (folder.display(), keys.display());
    let mut text = format!(
        "state = \"{folder}/state\"
cores = 1

[listen]
https = \"{https}\"
metrics = \"{metrics}\"
admin = \"{folder}/admin.sock\"

[sign_in]
host = \"gate.bench.test\"

[[server_certificate]]
chain = \"{keys}/server.pem\"
key = \"{keys}/server.key\"

[[identity_provider]]
name = \"{PROVIDER}\"
issuer = \"{ISSUER}\"
audience = \"{AUDIENCE}\"
jwks_file = \"{keys}/jwks.json\"
claims = [\"role\"]

[[device_authority]]
name = \"{AUTHORITY}\"
roots = \"{keys}/ca.pem\"
device_id = \"san-uri\"
admit = \"listed\"

[policies]
dir = \"{folder}/policies\"

[audit]
dir = \"{folder}/audit\"

[limits]
connections = 9000

[process]
allow_root = true
"
    );
    let app = |name: &str, further: &str| {
        format!(
            "\n[[app]]\nname = \"{name}\"\nhost = \"{name}.bench.test\"\nupstream = [\"http://{upstream}\"]\ntags = [\"work\"]\n{further}"
        )
    };
    text.push_str(&app("plain", "assertion = false\n"));
    (1..size.apps).for_each(|number| text.push_str(&app(&app_name(number), "")));
    std::fs::create_dir_all(site.folder.join("policies")).unwrap();
    std::fs::write(site.folder.join("sekisho.toml"), text).unwrap();
    std::fs::write(site.folder.join("policies/all.cedar"), policies(size.policies)).unwrap();
}

/// Of app `number`; 0 is the one that gets no assertion.
pub(crate) fn host(number: usize) -> String {
    format!("{}.bench.test", if number == 0 { "plain".to_owned() } else { app_name(number) })
}

fn app_name(number: usize) -> String {
    format!("app-{number}")
}

/// Two that decide about the load's requests, and those of other teams, which each have to be found not to apply: a third by who
/// asks, a third by the app, a third by the path.
fn policies(count: usize) -> String {
    let mut text = String::from(
        r#"@id("administrators-at-work")
permit (principal is User, action in Action::"use", resource in Tag::"work")
when { principal.hasTag("role") && principal.getTag("role").contains("admin") };

@id("managed-devices-only")
forbid (principal, action in Action::"use", resource in Tag::"work")
unless { context.device.managed };
"#,
    );
    for number in 2..count {
        let who_and_what = match number % 3 {
            0 => format!(
                "principal in Group::\"team-{number}\", action in Action::\"use\", resource)\nwhen {{ context.session.mfa }}"
            ),
            1 => format!(
                "principal is User, action in Action::\"use\", resource == App::\"{}\")\nwhen {{ principal.hasTag(\"team\") }}",
                app_name(number)
            ),
            _ => format!(
                "principal in Group::\"team-{number}\", action == Action::\"read\", resource in Tag::\"work\")\n\
                 when {{ context.request.path_prefixes.contains(\"/team-{number}\") }}"
            ),
        };
        let _ = write!(text, "\n@id(\"team-{number}\")\npermit ({who_and_what};\n");
    }
    text
}

pub(crate) const PROVIDER: &str = "corp";
pub(crate) const AUTHORITY: &str = "fleet";
